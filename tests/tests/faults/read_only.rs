//! The file may be read and not written: by its permissions, or because its file system is mounted for reading only.
//!
//! Permissions stop nobody who runs as root. Then the scene is played by a process of another user, which needs a copy of this program that it may start.

use super::{FILE, Folder, child, contents, model, put};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use tamarack::{Database, Durability, ErrorKind, check_file, compact_file, salvage_file};

/// Where the scene may write.
const OUT: &str = "out";
/// A file as a crash left it, with a log that nobody replayed.
const CRASHED: &str = "crashed.tam";
/// A user without any rights.
const NOBODY: u32 = 65_534;

/// Everything that a program may try with such a file.
pub(super) fn refused(folder: &Path) {
    let out = folder.join(OUT);
    let none = &mut |_: tamarack::Progress| {};
    for name in [FILE, CRASHED] {
        let file = folder.join(name);
        for error in [Database::<()>::open(&file).unwrap_err(), compact_file(&file, none).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error}");
            let text = error.to_string();
            assert!(text.contains("open_read_only") && text.contains(name) && text.contains("permissions"), "{text}");
        }
        let db = Database::<()>::open_read_only(&file).unwrap();
        assert_eq!(db.read(contents).unwrap(), model(0..700, 1));
        db.check().unwrap();
        let error = put(&db, 0..1, 2, Durability::Synced).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error}");
        db.close().unwrap();
        assert!(check_file(&file, none).unwrap().is_sound());
        let backup = out.join("backup");
        tamarack::backup_file(&file, None, &backup, none).unwrap();
        let (copy, saved) = (out.join("restored.tam"), out.join("salvaged.tam"));
        assert!(tamarack::restore_file([&backup], &copy, none).unwrap().is_sound());
        assert!(salvage_file(&file, &saved, none).unwrap().to_string().contains("700 records"));
        for made in [&copy, &saved] {
            assert_eq!(super::left(made), model(0..700, 1));
        }
        [backup, copy, saved].iter().for_each(|made| std::fs::remove_file(made).unwrap());
    }
    let new = folder.join("new.tam");
    for error in [Database::<()>::open(&new).unwrap_err(), Database::<()>::open_read_only(&new).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    }
    let error = Database::<()>::open(&new).unwrap_err().to_string();
    assert!(error.contains("needs the right") && error.contains("folder"), "{error}");
    assert!(!new.exists());
}

fn prepare(folder: &Folder) {
    let db = Database::<()>::open(folder.file()).unwrap();
    put(&db, 0..350, 1, Durability::Synced).unwrap();
    db.checkpoint().unwrap();
    put(&db, 350..700, 1, Durability::Synced).unwrap();
    std::fs::copy(folder.file(), folder.path().join(CRASHED)).unwrap();
    db.close().unwrap();
    std::fs::create_dir(folder.path().join(OUT)).unwrap();
}

fn permit(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_without_the_permission_to_write() {
    let folder = Folder::new();
    prepare(&folder);
    permit(&folder.path().join(OUT), 0o777);
    permit(&folder.file(), 0o444);
    permit(&folder.path().join(CRASHED), 0o444);
    let files = [FILE, CRASHED].map(|name| folder.path().join(name));
    let before = files.each_ref().map(|file| std::fs::read(file).unwrap());
    if rustix::process::geteuid().is_root() {
        let program = folder.path().join("program");
        std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        permit(&program, 0o755);
        permit(folder.path(), 0o755);
        let mut command = Command::new(&program);
        command.uid(NOBODY).gid(NOBODY).current_dir(folder.path());
        child::play_with("read only", folder.path(), command);
    } else {
        permit(folder.path(), 0o555);
        child::play("read only", folder.path());
        permit(folder.path(), 0o755);
    }
    assert_eq!(files.each_ref().map(|file| std::fs::read(file).unwrap()), before);
}

/// Needs a name space for mounts of its own, which not every machine grants: then this says so, and the test above has to do.
#[test]
fn a_file_system_that_is_mounted_for_reading_only() {
    let folder = Folder::new();
    prepare(&folder);
    let script = "mount --bind \"$1\" \"$1\" && mount --bind \"$1/out\" \"$1/out\" && mount -o remount,ro,bind \"$1\"";
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", script, "sh"]).arg(folder.path());
        command
    };
    // The mount has to hold: a write there must fail.
    let probe = format!("{script} && ! touch \"$1/probe\" 2>/dev/null && touch \"$1/out/probe\" && echo works");
    let works = unshare(&probe).output().is_ok_and(|output| output.stdout == b"works\n");
    if !works {
        println!("skipped: no file system can be mounted for reading only here");
        return;
    }
    let mut command = unshare(&format!("{script} && shift && exec \"$@\""));
    command.arg(std::env::current_exe().unwrap());
    child::play_with("read only", folder.path(), command);
}
