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
