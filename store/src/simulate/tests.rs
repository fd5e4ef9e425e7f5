use super::*;
use crate::{Database, Durability, ErrorKind, Options, TableDef};

const SEATS: TableDef<u32, u32> = TableDef::new("seats");

fn commit(db: &Database<()>, seat: u32) -> crate::Result<()> {
    db.write_with(Durability::Synced, |tx| tx.open_table(&SEATS)?.insert(seat, seat)).map(drop)
}

/// A commit's sync failed while a checkpoint had written pages and not yet synced them. The system forgot these too, and told nobody else: the
/// checkpoint's own sync succeeded, and both superblocks named pages that the device never got.
#[test]
fn i30_a_sync_that_fails_ends_the_checkpoint_beside_it() {
    let mut failed = 0;
    for (pause, seed) in (0..6).flat_map(|pause| (0..4).map(move |seed| (pause, seed))) {
        let disk = Disk::new(seed);
        let db: Database<()> = disk.open(Options::new().log_size(256 << 10)).unwrap();
        (0..200).for_each(|seat| commit(&db, seat).unwrap());
        let (inside, other, mut pauses) = (disk.clone(), db.clone(), 0);
        let beside = move || {
            if pauses == pause {
                inside.fail(On::Sync, 0, Fault::Forgotten);
                assert!(commit(&other, 1000).is_err());
            }
            pauses += 1;
        };
        let checkpoint = raw::interleave(&db, beside, || db.checkpoint());
        failed += u32::from(checkpoint.is_err());
        disk.cut_power(Crash::DropAll);
        drop(db);
        let db: Database<()> = disk.open(Options::new()).unwrap();
        assert!(db.read(|tx| tx.open_table(&SEATS)?.len()).unwrap() >= 200, "pause {pause}");
        db.check().unwrap();
    }
    assert!(failed > 8, "{failed}");
}

/// The power fails within a durable write of one range, too: any of its sectors may be there.
#[test]
fn i34_a_durable_write_is_cut_in_the_middle() {
    let nothing = raw::Medium::default();
    let disk = raw::disk(1, &nothing, true);
    let tiny = raw::Tiny {
        block: 512,
        page: 1024,
        memory: 1 << 20,
        write_buffer: 1 << 20,
        snapshot_isolation: false,
        read_only: false,
    };
    let db: Database<()> = raw::open(&disk, tiny).unwrap();
    commit(&db, 1).unwrap();
    let tx = db.begin_write().unwrap();
    (0..30).for_each(|key| raw::put(&tx, 40, &[key], &[7; 100]).unwrap());
    let before = disk.happened();
    tx.commit_with(Durability::Synced).unwrap();
    assert_eq!(disk.happened(), before + 1, "a write of the log, and no sync");
    disk.kill();
    let tape = disk.tape(&nothing);
    let mut player = tape.play();
    player.advance(before);
    let (whole, none) = (player.cut(Crash::KeepAll, 0), player.cut(Crash::DropAll, 0));
    assert!(whole.same(&disk.medium()) && !none.same(&whole));
    let mut parts = 0;
    for seed in 0..40 {
        let cut = player.cut(Crash::Sectors, seed);
        parts += u32::from(!cut.same(&whole) && !cut.same(&none));
        let db: Database<()> = raw::open(&raw::disk(seed, &cut, true), tiny).unwrap();
        assert_eq!(db.read(|tx| tx.open_table(&SEATS)?.len()).unwrap(), 1);
        let found = raw::Reads::get(&db.begin_read().unwrap(), 40, &[29]).unwrap();
        assert_eq!(found.is_some(), cut.same(&whole), "seed {seed}");
    }
    assert!(parts > 20, "{parts}");
    player.advance(before + 1);
    assert!(player.cut(Crash::DropAll, 0).same(&whole), "it has come back");
}

#[test]
fn a_call_at_which_the_process_ends() {
    for after in 0..60 {
        let disk = Disk::new(after);
        let db: Database<()> = disk.open(Options::new().log_size(256 << 10)).unwrap();
        disk.fail(On::Write, after, Fault::Gone);
        let acknowledged = (0..50).take_while(|&seat| commit(&db, seat).is_ok()).count() as u64;
        disk.cut_power(Crash::any(after));
        assert_eq!(commit(&db, 99).unwrap_err().kind(), ErrorKind::Poisoned);
        let db: Database<()> = disk.open(Options::new()).unwrap();
        let found = db.read(|tx| tx.open_table(&SEATS)?.len()).unwrap();
        assert!(found == acknowledged || found == acknowledged + 1, "{found} of {acknowledged}");
    }
}
