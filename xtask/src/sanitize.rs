//! Tests under LLVM's sanitizers.
//!
//! AddressSanitizer needs no instrumented standard library: the toolchain's own compiler does, once it may use unstable options
//! (`RUSTC_BOOTSTRAP`).
//!
//! ThreadSanitizer sees a race only where all code is instrumented, the standard library included: an uninstrumented one makes it report
//! races that are none. That takes the library's source of the same version as the compiler. Debian has both as packages; they are unpacked
//! below `target/`, and only clang, for its runtime and linker, is installed.

use crate::Result;
use crate::cuts;
use crate::mutants::Mutant;
use crate::run::{cargo_path, root};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sanitizer {
    /// Reads and writes outside of what is allocated.
    Address,
    /// Data races.
    Thread,
}

/// How one is run.
struct Recipe {
    /// What a report of it begins with.
    report: &'static str,
    flags: &'static str,
    /// Its options, by the name of the variable.
    options: (&'static str, &'static str),
    /// Whether the standard library is built too, with Debian's compiler.
    whole: bool,
    /// Below `target/`.
    build: &'static str,
    packages: &'static [&'static str],
    /// What the test program is told: words of the tests' paths, or what to skip.
    tests: &'static [&'static str],
    mutant: Mutant,
    /// Those of the tests that have to find the mistake.
    finders: &'static [&'static str],
}

impl Sanitizer {
    fn recipe(self) -> Recipe {
        match self {
            Self::Address => Recipe {
                report: "ERROR: AddressSanitizer",
                flags: "-Zsanitizer=address",
                options: ("ASAN_OPTIONS", ""),
                whole: false,
                build: "asan",
                packages: &["tamarack", "tamarack-codec"],
                tests: &UNITS,
                mutant: SHORT,
                finders: &["buffer::tests"],
            },
            Self::Thread => Recipe {
                report: "WARNING: ThreadSanitizer",
                flags: "-Zsanitizer=thread -Zexternal-clangrt -Clinker=clang-22 -Clink-arg=-fsanitize=thread --cfg crossbeam_sanitize_thread",
                options: ("TSAN_OPTIONS", ""),
                whole: true,
                build: "tsan/build",
                packages: &["tamarack"],
                tests: &STRESS,
                mutant: RACE,
                finders: &STRESS,
            },
        }
    }
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

/// All but the tests of the engine and of whole files: simulations, and every byte flipped in turn, which take too long here.
const UNITS: [&str; 4] = ["--skip", "engine::tests", "--skip", "typed::"];

/// Readers, writers, evictor and checkpointer at once; and random transactions of four threads.
const STRESS: [&str; 2] = ["engine::tests::memory::readers_and_writers", "engine::tests::isolation::i18_random"];

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

/// Nodes in allocated chunks: what lies behind a chunk is not ours.
const SHORT: Mutant = Mutant {
    what: "a chunk has less room than slots",
    file: "store/src/buffer/region.rs",
    changes: &[(
        ".checked_shl(chunk as u32)?.checked_mul(self.slot_bytes)?",
        ".checked_shl(chunk as u32)?.checked_mul(self.slot_bytes / 2)?",
    )],
};

/// Runs the tests as they are, which must be silent, and with the planted mistake, which must be found.
pub(crate) fn run(sanitizer: Sanitizer) -> Result {
    let recipe = sanitizer.recipe();
    let tools = if recipe.whole { Some(tools()?) } else { None };
    let clean = recipe.test(tools.as_deref(), &root(), recipe.tests)?;
    print!("{}", String::from_utf8_lossy(&clean.stdout));
    if !clean.status.success() || recipe.reports(&clean) > 0 {
        return Err(format!("{}\n{} reports", String::from_utf8_lossy(&clean.stderr), recipe.reports(&clean)).into());
    }
    println!("{sanitizer:?}: silent");
    let what = recipe.mutant.what;
    let planted = recipe.test(tools.as_deref(), &recipe.mutant.plant()?, recipe.finders)?;
    let told = String::from_utf8_lossy(&planted.stderr).into_owned();
    if planted.status.success() || recipe.reports(&planted) == 0 {
        return Err(format!("not found: {what}\n{told}").into());
    }
    let first: Vec<&str> = told.lines().skip_while(|line| !line.contains(recipe.report)).take(8).collect();
    println!("found: {what} ({} reports)\n{}", recipe.reports(&planted), first.join("\n"));
    Ok(())
}

impl Recipe {
    fn reports(&self, output: &Output) -> usize {
        String::from_utf8_lossy(&output.stderr).matches(self.report).count()
    }

    /// Runs tests of the sources in a folder.
    fn test(&self, tools: Option<&Path>, sources: &Path, tests: &[&str]) -> Result<Output> {
        let build = root().join("target").join(self.build);
        let mut arguments = vec!["test", "--release", "--lib", "--target", TARGET];
        arguments.extend(self.packages.iter().flat_map(|package| ["-p", package]));
        let mut command = match tools {
            Some(tools) => {
                arguments.push("-Zbuild-std");
                let mut command = Command::new(tools.join("bin/cargo"));
                command
                    .env("LD_LIBRARY_PATH", tools.join("lib/x86_64-linux-gnu"))
                    .env("RUSTC", tools.join("bin/rustc"));
                // What the cargo that runs this has set for itself.
                command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTDOC");
                command
            }
            None => {
                let mut command = Command::new(cargo_path());
                // Names in reports are worth more than speed.
                command.env("CARGO_PROFILE_RELEASE_LTO", "off");
                command
            }
        };
        eprintln!("+ RUSTFLAGS=\"{}\" cargo {} -- {}", self.flags, arguments.join(" "), tests.join(" "));
        command.args(arguments).arg("--target-dir").arg(build).arg("--").args(tests).arg("--nocapture");
        command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", self.flags);
        let (variable, options) = self.options;
        command.env(variable, format!("external_symbolizer_path=/usr/bin/{SYMBOLIZER}:{options}"));
        Ok(command.current_dir(sources).output()?)
    }
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
