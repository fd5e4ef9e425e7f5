//! Scenes that need a process of their own.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Its value names the scene and its folder.
const CHILD: &str = "TAMARACK_FAULTS_CHILD";
/// A scene that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

type Scene = (&'static str, fn(&Path));

const SCENES: [Scene; 16] = [
    ("descriptors", super::descriptors::without),
    ("few descriptors", super::descriptors::with_few),
    ("memory", super::memory::without),
    ("hold", super::locks::hold),
    ("hold for reading", super::locks::hold_for_reading),
    ("locked", super::locks::locked),
    ("read only", super::read_only::refused),
    ("fork", super::fork::family),
    ("leaked reads", super::leaks::reads),
    ("leaked snapshots", super::leaks::snapshots),
    ("leaked cursors", super::leaks::cursors),
    ("leaked writer", super::leaks::writer),
    ("leaked own writer", super::leaks::own_writer),
    ("leaked database", super::leaks::database),
    ("leaked long read", super::leaks::long_read),
    ("destructors", super::leaks::destructors),
];

/// Not a test: the process of a scene.
#[test]
fn scene() {
    let Ok(child) = std::env::var(CHILD) else { return };
    let (name, folder) = child.split_once('|').unwrap();
    let (_, play) = SCENES.iter().find(|(known, _)| *known == name).unwrap();
    play(Path::new(folder));
    println!("scene `{name}` ended");
}

/// Plays a scene to its end.
pub(crate) fn play(name: &str, folder: &Path) -> String {
    play_with(name, folder, Command::new(std::env::current_exe().unwrap()))
}

/// The same with a program, and how it is started.
pub(crate) fn play_with(name: &str, folder: &Path, mut program: Command) -> String {
    let child = prepare(&mut program, name, folder).stderr(Stdio::piped()).spawn().unwrap();
    let Output { stdout, stderr, status } = wait(child);
    let told = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "scene `{name}`: {status}\n{told}\n{}", String::from_utf8_lossy(&stderr));
    assert!(told.contains(&format!("scene `{name}` ended")), "scene `{name}` was not played: {told}");
    told
}

/// Starts a scene that waits for something.
pub(crate) fn start(name: &str, folder: &Path) -> Child {
    let mut program = Command::new(std::env::current_exe().unwrap());
    prepare(&mut program, name, folder).stdin(Stdio::piped()).spawn().unwrap()
}

fn prepare<'a>(program: &'a mut Command, name: &str, folder: &Path) -> &'a mut Command {
    program.args(["--exact", "child::scene", "--nocapture"]).env(CHILD, format!("{name}|{}", folder.display()));
    program.env("RUST_BACKTRACE", "0").stdout(Stdio::piped())
}

/// Waits for a process; one that hangs is ended and is an error.
fn wait(mut child: Child) -> Output {
    let (told, complained) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let status = end_of(&mut child);
    let (stdout, stderr) = (told.join().unwrap(), complained.join().unwrap());
    let status = status.unwrap_or_else(|| panic!("it hangs: {}", String::from_utf8_lossy(&stderr)));
    Output { status, stdout, stderr }
}

fn drain(from: Option<impl std::io::Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        if let Some(mut from) = from {
            from.read_to_end(&mut all).unwrap();
        }
        all
    })
}

fn end_of(child: &mut Child) -> Option<ExitStatus> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}
