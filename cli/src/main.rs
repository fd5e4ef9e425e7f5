//! The `tamarack` program: works on files by their catalog, without the program that wrote them.
//!
//! Exit codes: 0, all is well; 1, something is wrong or was lost; 2, the file could not be read, the arguments are wrong, or the output could not be
//! written. That nobody reads the output to its end is no error.

mod backup;
mod bar;
mod check;
mod compact;
mod out;
mod restore;
mod salvage;

use clap::{Parser, Subcommand};
use out::{Out, unsaid};
use std::error::Error as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tamarack::{Error, ErrorKind, Result};

/// Tools for Tamarack files.
#[derive(Parser)]
#[command(name = "tamarack", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Verify a whole file: pages, indexes against their tables, space, log. Changes nothing.
    ///
    /// Exit code 0: sound. 1: something is wrong, each thing is a line. 2: it could not be read at all.
    Check {
        /// The file. Nobody may have it open for writing.
        file: PathBuf,
        /// Show at most so many findings.
        #[arg(long, default_value_t = 200)]
        most: usize,
    },
    /// Make a file as short as its data: pack half-empty leaves, move what lies at the end, cut it off.
    ///
    /// Exit code 0: done, also if there was nothing to gain. 2: it could not be done; nothing is lost.
    Compact {
        /// The file. Nobody may have it open.
        file: PathBuf,
    },
    /// Bring everything that can be read of a damaged file into a new one. The damaged file is not changed.
    ///
    /// Exit code 0: all came over, verified. 1: something was lost, could not be verified, or is noted. 2: it could not be done.
    Salvage {
        /// The damaged file.
        file: PathBuf,
        /// The new file; it must not exist.
        #[arg(long, value_name = "NEW")]
        into: PathBuf,
    },
    /// Back up a file that nobody has open, with what its log holds. A running program calls `Database::backup`.
    ///
    /// The backup is noted in the file, so that increments can follow it. Exit code 0: done. 2: it could not be done, and no backup is left.
    Backup {
        /// The file.
        file: PathBuf,
        /// The backup's file; it must not exist.
        #[arg(long, value_name = "BACKUP")]
        to: PathBuf,
        /// Only what has changed since this backup; of several, since the newest, all of which is read and verified before.
        #[arg(long, value_name = "BACKUP", num_args = 1..)]
        since: Vec<PathBuf>,
    },
    /// Make a new file of a full backup, and of the increments that follow it, in order. All of it is verified and checked.
    ///
    /// Exit code 0: done. 1: done, and something was wrong with the database already when it was backed up. 2: it could not be done, and no file
    /// is left.
    Restore {
        /// The full backup, then its increments.
        #[arg(required = true, value_name = "BACKUP")]
        backups: Vec<PathBuf>,
        /// The new file; it must not exist.
        #[arg(long, value_name = "NEW")]
        into: PathBuf,
    },
}

impl Command {
    /// The database that it works on.
    fn file(&self) -> &Path {
        match self {
            Self::Check { file, .. }
            | Self::Compact { file }
            | Self::Salvage { file, .. }
            | Self::Backup { file, .. } => file,
            Self::Restore { into, .. } => into,
        }
    }
}

/// What an error says here: the library's own advice is for who writes a program, where it is about what that program should call.
fn said(error: &Error, file: &Path) -> String {
    let file = file.display();
    match (error.kind(), error.source()) {
        (ErrorKind::Locked, _) => format!("`{file}` is open in another process: it has to be closed there first"),
        (ErrorKind::ReadOnly, Some(reason)) => format!(
            "`{file}` cannot be opened for writing ({reason}): change its permissions, or copy it to where you may write"
        ),
        _ => error.to_string(),
    }
}

/// How a command ended.
enum Outcome {
    Sound,
    Wrong,
}

fn run(command: Command) -> Result<Outcome> {
    let mut out = Out::new();
    let outcome = match command {
        Command::Check { file, most } => check::run(&file, most, &mut out),
        Command::Compact { file } => compact::run(&file, &mut out),
        Command::Salvage { file, into } => salvage::run(&file, &into, &mut out),
        Command::Backup { file, to, since } => backup::run(&file, &to, &since, &mut out),
        Command::Restore { backups, into } => restore::run(&backups, &into, &mut out),
    }?;
    out.flush().map_err(unsaid)?;
    Ok(outcome)
}

fn main() -> ExitCode {
    // Its own errors end with 2 already.
    let command = Arguments::parse().command;
    let file = command.file().to_owned();
    match run(command) {
        Ok(Outcome::Sound) => ExitCode::SUCCESS,
        Ok(Outcome::Wrong) => ExitCode::from(1),
        Err(error) => {
            // Where nobody listens there is still the exit code.
            let _ = writeln!(io::stderr(), "tamarack: {}", said(&error, &file));
            ExitCode::from(2)
        }
    }
}
