//! The process that trials run in. It says a line for each.

use std::io::Write;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;

/// How a trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The answer is right, and nothing was found: the damage does not matter.
    Harmless,
    /// The answer is right, and other bytes lie where the damage was.
    Corrected,
    /// An error, of opening or reading.
    Detected,
    /// The answer is right, and a check says what is damaged.
    ByCheck,
    /// An earlier commit's state: the end of the log was damaged.
    Cut,
    /// Wrong, and nothing says so.
    Wrong,
    /// Wrong, and nothing says so but a check that a reader does not make.
    WrongToCheck,
    Panic,
    /// Ended by a signal.
    Signal,
    Hang,
    /// More than it may use.
    Memory,
}

impl Verdict {
    pub(crate) const ALL: [Self; 11] = [
        Self::Harmless,
        Self::Corrected,
        Self::Detected,
        Self::ByCheck,
        Self::Cut,
        Self::Wrong,
        Self::WrongToCheck,
        Self::Panic,
        Self::Signal,
        Self::Hang,
        Self::Memory,
    ];
}

/// Numbered trials of one kind.
pub(crate) trait Trials {
    fn total(&self) -> u64;
    /// What is damaged in a trial: a row of the table.
    fn label(&self, number: u64) -> String;
    /// The error is a wrong answer.
    fn run(&self, number: u64) -> Result<Verdict, String>;
}

/// Memory beyond what the process had before its first trial.
const MEMORY_KIB: u64 = 64 << 10;
const PANICKED: u8 = 3;

static MESSAGE: Mutex<String> = Mutex::new(String::new());

/// Runs trials. After a panic, or one that used too much memory, it ends: the parent starts another process.
pub(crate) fn work(trials: &dyn Trials, range: Range<u64>) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        *MESSAGE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = panic.to_string();
    }));
    let before = peak();
    for number in range {
        let ended = catch_unwind(AssertUnwindSafe(|| trials.run(number)));
        let used = peak().saturating_sub(before);
        let (verdict, message) = match ended {
            Err(_) => (Verdict::Panic, MESSAGE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()),
            Ok(_) if used > MEMORY_KIB => (Verdict::Memory, format!("{used} KiB")),
            Ok(Err(message)) => (Verdict::Wrong, message),
            Ok(Ok(verdict)) => (verdict, String::new()),
        };
        let line = format!("{number} {} {used} {}\n", verdict as u8, message.replace('\n', " "));
        if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
            return ExitCode::FAILURE;
        }
        if matches!(verdict, Verdict::Panic | Verdict::Memory) {
            return ExitCode::from(PANICKED);
        }
    }
    ExitCode::SUCCESS
}

/// The most memory that was resident, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
