//! The program as people run it: output and exit codes.
#![allow(clippy::disallowed_methods, reason = "tests use files and processes as people do")]

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tamarack::{Database, TableDef};

const CITIES: TableDef<String, String> = TableDef::new("cities");

fn make(path: &Path) {
    let db = Database::<()>::open(path).unwrap();
    for chunk in 0..20 {
        db.write(|tx| {
            let mut cities = tx.open_table(&CITIES)?;
            (0..200).try_for_each(|i| cities.insert(format!("city{:05}", chunk * 200 + i), "x".repeat(200)).map(|_| ()))
        })
        .unwrap();
    }
    db.close().unwrap();
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_tamarack")).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Flips a bit in the middle of the file's first leaf of the table, which says of itself that it is one.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let leaf = |block: &usize| {
        let header = &bytes[block * 4096..][..40];
        header[0] == 1 && header[4..8] == 16_u32.to_le_bytes() && header[8..16] == (*block as u64).to_le_bytes()
    };
    let leaves: Vec<usize> = (17..bytes.len() / 4096).filter(leaf).collect();
    assert!(leaves.len() > 10);
    // Some of them are of older checkpoints: the last ones to be written are not.
    for block in leaves {
        bytes[block * 4096 + 3000] ^= 4;
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn check_says_what_is_wrong_and_how_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tam");
    let name = path.to_str().unwrap();
    make(&path);
    let (code, out, err) = run(&["check", name]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("cities") && out.contains("4,000") && out.contains("sound: nothing is wrong"), "{out}");
    assert!(!out.contains('\r'), "no bar where there is no terminal");

    damage(&path);
    let (code, out, _) = run(&["check", name]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("page       table `cities`, keys ") && out.contains("checksum"), "{out}");
    let (code, out, _) = run(&["check", name, "--most", "1"]);
    assert_eq!((code, out.matches("checksum").count()), (1, 1), "{out}");
    assert!(out.contains(" more\n"), "{out}");

    let text = folder.path().join("b.txt");
    std::fs::write(&text, "no database".repeat(1000)).unwrap();
    for wrong in [text.to_str().unwrap(), "/no/such/file"] {
        let (code, out, err) = run(&["check", wrong]);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.starts_with("tamarack: "), "{err}");
    }
    assert_eq!(run(&["check"]).0, 2);
    let db = Database::<()>::open(&path).unwrap();
    let (code, _, err) = run(&["check", name]);
    assert_eq!(code, 2, "{err}");
    assert_eq!(err, format!("tamarack: `{name}` is open in another process: it has to be closed there first\n"));
    drop(db);
}

/// A file of a stranger makes no report say what the program does not.
#[test]
fn names_of_tables_give_no_orders_to_terminals() {
    let folder = tempfile::tempdir().unwrap();
    let (path, new) = (folder.path().join("a.tam"), folder.path().join("b.tam"));
    let db = Database::<()>::open(&path).unwrap();
    let hostile = TableDef::<u64, String>::named("\u{1b}[2J\nsound: nothing is wrong\n".to_owned());
    for round in 0..20 {
        db.write(|tx| {
            let mut rows = tx.open_table(&hostile)?;
            (0..200).try_for_each(|i| rows.insert(round * 200 + i, "x".repeat(200)).map(drop))
        })
        .unwrap();
    }
    db.close().unwrap();
    damage(&path);
    let (path, new) = (path.to_str().unwrap(), new.to_str().unwrap());
    for arguments in [&["check", path][..], &["salvage", path, "--into", new]] {
        let (code, out, _) = run(arguments);
        assert_eq!(code, 1, "{out}");
        assert!(out.contains(r"table `\u{1b}[2J\nsound: nothing is wrong\n`, keys "), "{out}");
        assert!(!out.contains('\u{1b}') && !out.lines().any(|line| line.starts_with("sound")), "{out}");
    }
    assert_eq!(run(&["check", new]).0, 0);
}

#[test]
fn salvage_makes_a_new_file_and_says_what_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (path, new) = (folder.path().join("a.tam"), folder.path().join("b.tam"));
    let (name, into) = (path.to_str().unwrap(), new.to_str().unwrap());
    make(&path);
    let (code, out, _) = run(&["salvage", name, "--into", into]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("nothing was lost"), "{out}");
    let (code, _, err) = run(&["salvage", name, "--into", into]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("exists already"), "{err}");

    std::fs::remove_file(&new).unwrap();
    damage(&path);
    let before = std::fs::read(&path).unwrap();
    let (code, out, _) = run(&["salvage", name, "--into", into]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("lost:\n  table `cities`, keys "), "{out}");
    assert!(std::fs::read(&path).unwrap() == before);
    assert_eq!(run(&["check", into]).0, 0);
}

#[test]
fn backup_and_restore_bring_a_file_back_with_its_increments() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, full, one, two, new) = (path("a.tam"), path("full"), path("one"), path("two"), path("new.tam"));
    make(Path::new(&file));
    let (code, out, err) = run(&["backup", &file, "--to", &full]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("full backup ") && out.contains(" written to "), "{out}");
    let add = |key: &str| {
        let db = Database::<()>::open(&file).unwrap();
        db.write(|tx| tx.open_table(&CITIES)?.insert(key, "new")).unwrap();
        db.close().unwrap();
    };
    add("one");
    let (code, out, _) = run(&["backup", &file, "--to", &one, "--since", &full]);
    assert!(code == 0 && out.starts_with("increment ") && out.contains("to be restored after "), "{out}");
    add("two");
    let (code, out, _) = run(&["backup", &file, "--to", &two, "--since", &full, &one]);
    assert!(code == 0 && out.contains(&format!("to be restored after `{one}`")), "{out}");
    let length = |path: &str| std::fs::metadata(path).unwrap().len();
    assert!(length(&two) < length(&full) / 10);

    let (code, out, err) = run(&["restore", &full, &two, "--into", &new]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("does not follow") && !Path::new(&new).exists(), "{err}");
    let (code, out, err) = run(&["restore", &full, &one, &two, "--into", &new]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("4,002") && out.contains("nothing is wrong"), "{out}");
    assert_eq!(run(&["check", &new]).0, 0);
    let (code, _, err) = run(&["restore", &full, "--into", &new]);
    assert!(code == 2 && err.contains("exists already"), "{err}");
    let (code, _, err) = run(&["backup", &path("none"), "--to", &path("x")]);
    assert!(code == 2 && !Path::new(&path("none")).exists() && !Path::new(&path("x")).exists(), "{err}");
}

#[test]
fn compact_makes_the_file_short() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tam");
    let name = path.to_str().unwrap();
    make(&path);
    let db = Database::<()>::open(&path).unwrap();
    db.write(|tx| tx.open_table(&CITIES)?.retain(|key, _| key.ends_with('7'))).unwrap();
    let (code, _, err) = run(&["compact", name]);
    assert_eq!(code, 2, "{err}");
    assert_eq!(err, format!("tamarack: `{name}` is open in another process: it has to be closed there first\n"));
    db.close().unwrap();
    let length = || std::fs::metadata(&path).unwrap().len();
    let before = length();
    let (code, out, err) = run(&["compact", name]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("half-empty leaves packed") && out.contains(" now\n"), "{out}");
    assert!(length() + 500_000 < before, "{before} bytes, then {}", length());
    let (code, out, _) = run(&["check", name]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains(" 400 "), "{out}");
    let (code, _, err) = run(&["compact", "/no/such/file"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.starts_with("tamarack: "), "{err}");
}

/// Nobody could restore the increment.
#[test]
fn no_increment_is_made_of_a_backup_that_was_cut_short() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, full, one) = (path("a.tam"), path("full"), path("one"));
    make(Path::new(&file));
    assert_eq!(run(&["backup", &file, "--to", &full]).0, 0);
    let whole = std::fs::read(&full).unwrap();
    std::fs::write(&full, &whole[..whole.len() - 1]).unwrap();
    let (code, out, err) = run(&["backup", &file, "--to", &one, "--since", &full]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("full") && !Path::new(&one).exists(), "{err}");
    std::fs::write(&full, &whole).unwrap();
    assert_eq!(run(&["backup", &file, "--to", &one, "--since", &full]).0, 0);
}

/// Each command with the exit code that it has when all goes well, on files of this folder.
fn commands(folder: &Path, call: &dyn Fn(&[&str], i32)) {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (file, bad, backup) = (path("a.tam"), path("bad.tam"), path("a.backup"));
    make(Path::new(&file));
    std::fs::copy(&file, &bad).unwrap();
    damage(Path::new(&bad));
    call(&["check", &file], 0);
    call(&["check", &bad], 1);
    call(&["salvage", &bad, "--into", &path("salvaged.tam")], 1);
    call(&["backup", &file, "--to", &backup], 0);
    call(&["restore", &backup, "--into", &path("restored.tam")], 0);
    call(&["compact", &file], 0);
    call(&["check", &path("salvaged.tam")], 0);
    call(&["check", &path("restored.tam")], 0);
}

/// As `head` does it. What was done is done, and the exit code says how it ended.
#[test]
fn an_output_that_nobody_reads_ends_quietly() {
    let folder = tempfile::tempdir().unwrap();
    commands(folder.path(), &|arguments, code| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_tamarack"));
        let Output { status, stderr, .. } = command.args(arguments).stdout(writer).output().unwrap();
        assert_eq!((status.code(), String::from_utf8(stderr).unwrap().as_str()), (Some(code), ""), "{arguments:?}");
    });
    // Nor does an error that nobody reads.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_tamarack"));
    let status = command.args(["check", "no such file"]).stdout(Stdio::null()).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    commands(folder.path(), &|arguments, _| {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tamarack"));
        let Output { status, stderr, .. } = command.args(arguments).stdout(full).output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.starts_with("tamarack: all was done, but") && said.lines().count() == 1, "{arguments:?}: {said}");
    });
}

#[test]
fn a_file_that_is_not_there_is_named_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent.tam");
    let (name, new) = (path.to_str().unwrap(), folder.path().join("new"));
    let new = new.to_str().unwrap();
    for arguments in [
        vec!["check", name],
        vec!["compact", name],
        vec!["backup", name, "--to", new],
        vec!["salvage", name, "--into", new],
        vec!["restore", name, "--into", new],
    ] {
        let (code, _, err) = run(&arguments);
        assert_eq!((code, err.matches(name).count()), (2, 1), "{arguments:?}: {err}");
        assert!(!Path::new(new).exists() && !path.exists(), "{arguments:?} left something");
    }
}
