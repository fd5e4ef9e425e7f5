use super::*;
use std::sync::Arc;

fn behaves_like_bytes(storage: &dyn Storage) {
    let mut model = vec![0u8; storage.len().unwrap() as usize];
    let mut buffer = vec![0; model.len()];
    storage.read_at(&mut buffer, 0).unwrap();
    model.copy_from_slice(&buffer);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..400 {
        match random.u32(0..10) {
            0 => {
                let len = random.usize(0..3_000_000);
                storage.set_len(len as u64).unwrap();
                model.resize(len, 0);
            }
            kind @ 1..=6 => {
                let mut at = random.usize(0..2_500_000);
                let mut bytes: Vec<u8> = (0..random.usize(1..9000)).map(|_| random.u8(..)).collect();
                if kind == 6 {
                    // Whole blocks as a checkpoint writes them, between bytes that went through the cache.
                    at = at.next_multiple_of(4096);
                    bytes.resize(bytes.len().next_multiple_of(4096), 3);
                    storage.write_past_cache(&bytes, at as u64).unwrap();
                } else {
                    storage.write_at(&bytes, at as u64).unwrap();
                }
                if model.len() < at + bytes.len() {
                    model.resize(at + bytes.len(), 0);
                }
                model[at..at + bytes.len()].copy_from_slice(&bytes);
            }
            _ if model.is_empty() => {}
            _ => {
                let at = random.usize(0..model.len());
                let len = random.usize(0..=(model.len() - at).min(9000));
                let mut found = vec![0; len];
                storage.read_at(&mut found, at as u64).unwrap();
                assert_eq!(found, model[at..at + len]);
            }
        }
        assert_eq!(storage.len().unwrap(), model.len() as u64);
    }
    let past = storage.read_at(&mut [0; 2], model.len() as u64 - 1).unwrap_err();
    assert_eq!(past.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn all_kinds_behave_like_bytes() {
    let folder = tempfile::tempdir().unwrap();
    behaves_like_bytes(&RealFile::open(&folder.path().join("a"), OpenMode::CreateOrOpen).unwrap());
    behaves_like_bytes(&MemoryFile::default());
    behaves_like_bytes(&FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let below = MemoryFile::default();
    below.write_at(&[9; 10_000], 0).unwrap();
    behaves_like_bytes(&Overlay::new(Arc::new(below)).unwrap());
}

#[test]
fn an_overlay_leaves_the_file_below_alone() {
    let below = Arc::new(MemoryFile::default());
    below.write_at(&[9; 10_000], 0).unwrap();
    let overlay = Overlay::new(below.clone()).unwrap();
    overlay.write_at(&[1; 5000], 3000).unwrap();
    overlay.set_len(100).unwrap();
    let mut bytes = [0; 10_000];
    below.read_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, [9; 10_000]);
}

#[test]
fn a_second_handle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let first = RealFile::open(&path, OpenMode::CreateOrOpen).unwrap();
    assert!(matches!(RealFile::open(&path, OpenMode::CreateOrOpen), Err(OpenError::Locked)));
    assert!(matches!(RealFile::open(&path, OpenMode::ReadOnly), Err(OpenError::Locked)));
    drop(first);
    let reader = RealFile::open(&path, OpenMode::ReadOnly).unwrap();
    let _other_reader = RealFile::open(&path, OpenMode::ReadOnly).unwrap();
    assert!(matches!(RealFile::open(&path, OpenMode::CreateOrOpen), Err(OpenError::Locked)));
    drop(reader);
    assert!(matches!(RealFile::open(folder.path(), OpenMode::ReadOnly), Err(OpenError::NotAFile)));
}

#[test]
fn crashes_keep_what_was_synced_and_any_part_of_the_rest() {
    let file = FaultFile::from_image(Vec::new(), FaultPlan::default());
    file.write_at(&[1; 4096], 0).unwrap();
    file.sync().unwrap();
    file.write_at(&[2; 4096], 4096).unwrap();
    file.write_at(&[3; 512], 0).unwrap();
    assert_eq!(file.crash(CrashPolicy::DropAll, 1), [1; 4096]);
    assert_eq!(file.crash(CrashPolicy::KeepAll, 1), file.image());
    let mut seen = std::collections::HashSet::new();
    for seed in 0..200 {
        let image = file.crash(CrashPolicy::Random, seed);
        assert_eq!(image[512..4096], [1; 3584]);
        assert!(image[4096..].iter().all(|&byte| byte == 2 || byte == 0));
        seen.insert(image);
    }
    assert!(seen.len() > 50, "{}", seen.len());
}

#[test]
fn failures_come_when_planned() {
    let plan = FaultPlan { fail: Some((1, Failure::NoSpace)), ..FaultPlan::default() };
    let file = FaultFile::from_image(Vec::new(), plan);
    file.write_at(&[1; 8], 0).unwrap();
    assert_eq!(file.write_at(&[1; 8], 0).unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.write_at(&[1; 8], 0).unwrap();
    file.set_plan(FaultPlan { stop: Some(4), ..FaultPlan::default() });
    file.sync().unwrap();
    assert!(file.sync().is_err() && file.len().is_ok());
}

#[test]
fn a_lost_sync_is_never_made_good() {
    let file =
        FaultFile::from_image(Vec::new(), FaultPlan { fail: Some((1, Failure::LostSync)), ..Default::default() });
    file.write_at(&[1; 8], 0).unwrap();
    assert!(file.sync().is_err());
    assert_eq!(file.image(), [1; 8]);
    file.sync().unwrap();
    // The bytes are lost; the length is kept in the file system's own journal.
    assert_eq!(file.crash(CrashPolicy::DropAll, 0), [0; 8]);
}

/// Whoever waits for a locked file must not end up with one that has lost its name meanwhile: what it acknowledges nobody would find again.
#[cfg(unix)]
#[test]
#[expect(clippy::disallowed_methods, reason = "tests use files and threads as programs do")]
fn a_file_that_is_opened_bears_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    for replaced in [true, false] {
        std::fs::write(&a, b"before").unwrap();
        let first = RealFile::open(&a, OpenMode::CreateOrOpen).unwrap();
        let opened = std::thread::scope(|scope| {
            let waits = scope.spawn(|| RealFile::open(&a, OpenMode::CreateOrOpen));
            std::thread::sleep(std::time::Duration::from_millis(50));
            if replaced {
                std::fs::write(&b, b"behind").unwrap();
                std::fs::rename(&b, &a).unwrap();
            } else {
                std::fs::remove_file(&a).unwrap();
            }
            drop(first);
            waits.join().unwrap().unwrap()
        });
        opened.write_at(b"B", 0).unwrap();
        let wanted: &[u8] = if replaced { b"Behind" } else { b"B" };
        assert_eq!(std::fs::read(&a).unwrap(), wanted);
        assert!(matches!(RealFile::open(&a, OpenMode::Existing), Err(OpenError::Locked)));
    }
}

/// Nothing tells a write that a server in user space has not made durable from one that is: where nobody knows, a sync has to follow.
#[cfg(target_os = "linux")]
#[test]
#[expect(clippy::disallowed_methods, reason = "tests use files as programs do")]
fn i21_durable_writes_are_for_file_systems_that_are_known_to_keep_them() {
    // Memory takes direct writes since Linux 6.6, and stands for all that is not known.
    let path = std::path::Path::new("/dev/shm").join(format!("tamarack-{}", std::process::id()));
    let Ok(file) = RealFile::open(&path, OpenMode::CreateOrOpen) else { return };
    std::fs::remove_file(&path).unwrap();
    file.set_len(1 << 16).unwrap();
    assert!(!file.write_durable(&[1; 4096], 4096).unwrap() && !file.offers_durable_writes());
    let folder = tempfile::tempdir_in(".").unwrap();
    let known = RealFile::open(&folder.path().join("a"), OpenMode::CreateOrOpen).unwrap();
    known.set_len(1 << 16).unwrap();
    let kind = rustix::fs::statfs(folder.path()).unwrap().f_type as u32;
    // ext2 to ext4, XFS, Btrfs.
    if [0xef53, 0x5846_5342, 0x9123_683e].contains(&kind) {
        assert!(known.write_durable(&[1; 4096], 4096).unwrap() && known.offers_durable_writes());
    }
}

/// A link that leads nowhere yet: what it names is made, and entered into its own folder.
#[cfg(unix)]
#[test]
#[expect(clippy::disallowed_methods, reason = "tests use files as programs do")]
fn a_file_is_made_where_a_link_leads() {
    let folder = tempfile::tempdir().unwrap();
    let (link, other) = (folder.path().join("link"), folder.path().join("other"));
    std::fs::create_dir(&other).unwrap();
    std::os::unix::fs::symlink(other.join("a"), &link).unwrap();
    let file = RealFile::open(&link, OpenMode::CreateOrOpen).unwrap();
    file.write_at(b"here", 0).unwrap();
    assert_eq!(std::fs::read(other.join("a")).unwrap(), b"here");
    assert!(matches!(RealFile::open(&other.join("a"), OpenMode::Existing), Err(OpenError::Locked)));
}
