//! Stress tests under LLVM's sanitizers.
//!
//! ThreadSanitizer sees a race only where all code is instrumented, the standard library included: an uninstrumented one makes it report
//! races that are none. That takes a compiler that may use unstable options (`RUSTC_BOOTSTRAP`) and the library's source of the same version.
//! Debian has both as packages; they are unpacked below `target/`, and only clang, for its runtime and linker, is installed.

use crate::Result;
use crate::cuts;
use crate::mutants::Mutant;
use crate::run::root;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sanitizer {
    /// Data races.
    Thread,
}

const CLANG: &str = "clang-22";
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// For reports with names in them.
const SYMBOLIZER: &str = "llvm-symbolizer-22";
const INSTALLED: [&str; 4] = [CLANG, "libclang-rt-22-dev", "lld-22", "llvm-22"];
const UNPACKED: [&str; 11] = [
    "rustc-web",
    "cargo-web",
    "rust-web-src",
    "libstd-rust-web-1.96",
    "libstd-rust-web-dev",
    "libgit2-1.5",
    "libhttp-parser2.9",
    "libmbedcrypto7",
    "libmbedx509-1",
    "libmbedtls14",
    "libssh2-1",
];

/// Readers, writers, evictor and checkpointer at once; and random transactions of four threads.
const TESTS: [&str; 2] = ["engine::tests::memory::readers_and_writers", "engine::tests::isolation::i18_random"];

const RACE: Mutant = Mutant {
    what: "a node is linked without making its bytes visible first (I4)",
    file: "store/src/buffer/word.rs",
    changes: &[
        ("self.0.store(id.word(), Ordering::Release)", "self.0.store(id.word(), Ordering::Relaxed)"),
        (
            "self.0.compare_exchange(Swip::cold_word(address), word, Ordering::AcqRel, Ordering::Relaxed).is_ok()",
            "self.0.compare_exchange(Swip::cold_word(address), word, Ordering::Relaxed, Ordering::Relaxed).is_ok()",
        ),
    ],
};

/// What this machine needs for it and does not have.
pub(crate) fn lacks() -> Option<&'static str> {
    (!cfg!(target_arch = "x86_64")).then_some("it needs x86-64").or_else(cuts::not_debian)
}

/// Runs the tests as they are, which must be silent, and with the planted race, which must be found.
pub(crate) fn run(Sanitizer::Thread: Sanitizer) -> Result {
    let tools = tools()?;
    let clean = test(&tools, &root())?;
    print!("{}", String::from_utf8_lossy(&clean.stdout));
    if !clean.status.success() || reports(&clean) > 0 {
        return Err(format!("{}\n{} reports", String::from_utf8_lossy(&clean.stderr), reports(&clean)).into());
    }
    println!("ThreadSanitizer: silent");
    let raced = test(&tools, &RACE.plant()?)?;
    let told = String::from_utf8_lossy(&raced.stderr).into_owned();
    if raced.status.success() || reports(&raced) == 0 {
        return Err(format!("not found: {}\n{told}", RACE.what).into());
    }
    let first: Vec<&str> = told.lines().skip_while(|line| !line.contains("WARNING: ThreadSanitizer")).take(8).collect();
    println!("found: {} ({} reports)\n{}", RACE.what, reports(&raced), first.join("\n"));
    Ok(())
}

fn reports(output: &Output) -> usize {
    String::from_utf8_lossy(&output.stderr).matches("WARNING: ThreadSanitizer").count()
}

fn test(tools: &Path, sources: &Path) -> Result<Output> {
    let flags = format!(
        "-Zsanitizer=thread -Zexternal-clangrt -Clinker={CLANG} -Clink-arg=-fsanitize=thread --cfg crossbeam_sanitize_thread"
    );
    let test = ["test", "--release", "-Zbuild-std", "-p", "tamarack", "--lib", "--target", TARGET, "--target-dir"];
    eprintln!("+ RUSTFLAGS=\"{flags}\" cargo {} target/tsan/build -- {}", test.join(" "), TESTS.join(" "));
    let mut command = Command::new(tools.join("bin/cargo"));
    command.args(test).arg(root().join("target/tsan/build")).arg("--").args(TESTS).arg("--nocapture");
    command.env("LD_LIBRARY_PATH", tools.join("lib/x86_64-linux-gnu"));
    command.env("RUSTC", tools.join("bin/rustc")).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", flags);
    command.env("TSAN_OPTIONS", format!("external_symbolizer_path=/usr/bin/{SYMBOLIZER}"));
    // What the cargo that runs this has set for itself.
    command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTDOC");
    Ok(command.current_dir(sources).output()?)
}

/// The folder with the instrumenting compiler; fetches it the first time.
fn tools() -> Result<PathBuf> {
    let folder = root().join("target/tsan/rust");
    let (usr, packages) = (folder.join("usr"), root().join("target/tsan/packages"));
    let call = |command: &mut Command| -> Result {
        eprintln!("+ {command:?}");
        if command.status()?.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
    };
    let runs = |tool: &str| Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    let has_clang = runs(CLANG) && runs(SYMBOLIZER);
    if !has_clang || !usr.join("bin/rustc").exists() {
        call(Command::new("apt-get").arg("update"))?;
    }
    if !has_clang {
        call(Command::new("apt-get").args(["install", "--yes", "--no-install-recommends"]).args(INSTALLED))?;
    }
    if !usr.join("bin/rustc").exists() {
        std::fs::create_dir_all(&packages)?;
        call(Command::new("apt-get").arg("download").args(UNPACKED).current_dir(&packages))?;
        for package in std::fs::read_dir(&packages)? {
            call(Command::new("dpkg").arg("-x").arg(package?.path()).arg(&folder))?;
        }
    }
    Ok(usr)
}
