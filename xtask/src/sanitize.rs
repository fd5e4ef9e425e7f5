//! Tests under LLVM's sanitizers.
//!
//! AddressSanitizer and LeakSanitizer need no instrumented standard library: the toolchain's own compiler does, once it may use unstable options
//! (`RUSTC_BOOTSTRAP`).
//!
//! ThreadSanitizer and MemorySanitizer need all code instrumented, the standard library included: an uninstrumented one makes the first report races
//! that are none, and the second take what the library wrote for never written. That takes the library's source of the same version as the compiler.
//! Debian has both as packages; they are unpacked below `target/`, and only clang, for its runtime and linker, is installed.
//!
//! `tamarack_asan` makes the pool tell which frames are in use, and `tamarack_msan` that a frame is empty when it is handed out
//! (`store/src/buffer/poison.rs`). `rustix_use_libc` sends system calls through the C library, where the runtime sees what they map, unmap and write.

use crate::Result;
use crate::cuts::{self, call};
use crate::mutants::{self, Mutant};
use crate::run::{cargo_path, root};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sanitizer {
    /// Reads and writes outside of what is allocated.
    Address,
    /// Memory that nobody can reach any more and nobody gave back.
    Leak,
    /// Data races.
    Thread,
    /// Decisions that hang on memory that nobody has written.
    Memory,
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
    /// How the build differs from a release.
    profile: &'static [(&'static str, &'static str)],
    /// What the tests are told by variables: less than usual.
    amounts: &'static [(&'static str, &'static str)],
    /// Below `target/`.
    build: &'static str,
    packages: &'static [&'static str],
    /// What the test program is told: words of the tests' paths, or what to skip.
    tests: &'static [&'static str],
    mutants: &'static [Planted],
}

/// A mistake, and words of the paths of the tests that have to find it.
struct Planted {
    mutant: Mutant,
    finders: &'static [&'static str],
}

impl Sanitizer {
    /// What each of them has to find.
    #[cfg(test)]
    pub(crate) fn mistakes() -> impl Iterator<Item = &'static Mutant> {
        let all = <Self as clap::ValueEnum>::value_variants();
        all.iter().flat_map(|sanitizer| sanitizer.recipe().mutants).map(|planted| &planted.mutant)
    }

    fn recipe(self) -> Recipe {
        match self {
            Self::Address => Recipe {
                report: "ERROR: AddressSanitizer",
                flags: "-Zsanitizer=address --cfg tamarack_asan --cfg rustix_use_libc",
                // Leaks have a run of their own.
                options: ("ASAN_OPTIONS", "detect_leaks=0"),
                whole: false,
                profile: &[NAMES],
                amounts: &LESS,
                build: "asan",
                packages: &["tamarack", "tamarack-codec"],
                tests: &UNITS,
                mutants: &[SHORT, EARLY],
            },
            Self::Leak => Recipe {
                report: "ERROR: LeakSanitizer",
                flags: "-Zsanitizer=leak",
                options: ("LSAN_OPTIONS", ""),
                whole: false,
                profile: &[NAMES],
                amounts: &LESS,
                build: "lsan",
                packages: &["tamarack", "tamarack-codec"],
                tests: &UNITS,
                mutants: &[KEPT],
            },
            Self::Thread => Recipe {
                report: "WARNING: ThreadSanitizer",
                flags: "-Zsanitizer=thread -Zexternal-clangrt -Clinker=clang-22 -Clink-arg=-fsanitize=thread --cfg crossbeam_sanitize_thread",
                options: ("TSAN_OPTIONS", ""),
                whole: true,
                profile: &[],
                amounts: &[],
                build: "tsan/build",
                packages: &["tamarack"],
                tests: &STRESS,
                mutants: &[RACE],
            },
            Self::Memory => Recipe {
                report: "WARNING: MemorySanitizer",
                flags: "-Zsanitizer=memory -Zsanitizer-memory-track-origins -Zexternal-clangrt -Clinker=clang-22 -Clink-arg=-fsanitize=memory \
                    --cfg rustix_use_libc --cfg tamarack_msan",
                options: ("MSAN_OPTIONS", ""),
                whole: true,
                profile: &[NAMES, QUICK],
                amounts: &FEW,
                build: "msan",
                packages: &["tamarack", "tamarack-codec"],
                tests: &UNITS,
                mutants: &[UNWRITTEN],
            },
        }
    }
}

const CLANG: &str = "clang-22";
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// For reports with names in them.
const SYMBOLIZER: &str = "llvm-symbolizer-22";
const SYMBOLIZER_IN: &str = "llvm-22";
const INSTALLED: [&str; 4] = [CLANG, "libclang-rt-22-dev", "lld-22", SYMBOLIZER_IN];
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

/// All but a few that take minutes here: a failure at every call in turn, every byte of a file flipped, and much work under a small budget.
const UNITS: [&str; 11] = [
    "--exact",
    "--skip",
    "engine::tests::crash::i34_a_new_file_never_has_both_superblocks_under_way",
    "--skip",
    "engine::tests::memory::i13_writes_and_reads_stay_within_the_budget",
    "--skip",
    "engine::tests::memory::i19_a_paused_reader_stops_no_writer",
    "--skip",
    "typed::backup::tests::every_flipped_byte_and_every_cut_is_refused",
    "--skip",
    "typed::check::tests::i32_i36_no_flipped_byte_goes_unnoticed",
];

/// Names in reports are worth more than speed.
const NAMES: (&str, &str) = ("CARGO_PROFILE_RELEASE_LTO", "off");

/// Less optimised: everything, the standard library too, is built for this run alone.
const QUICK: (&str, &str) = ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");

/// Of random histories, crashes and failures.
const LESS: [(&str, &str); 4] = [
    ("TAMARACK_SIM_CRASHES", "150"),
    ("TAMARACK_BACKUP_SEEDS", "5"),
    ("TAMARACK_ISOLATION", "2000"),
    ("TAMARACK_FAULT_CALLS", "15"),
];

/// And the random histories against a model, which would take longer than everything else together: one of them on one thread, one on several.
const FEW: [(&str, &str); 5] = [LESS[0], LESS[1], LESS[2], LESS[3], ("TAMARACK_MODEL_OPS", "24000")];

/// Readers, writers, evictor and checkpointer at once; and random transactions of four threads.
const STRESS: [&str; 2] = ["engine::tests::memory::readers_and_writers", "engine::tests::isolation::i18_random"];

const RACE: Planted = Planted {
    mutant: Mutant {
        what: "a node is linked without making its bytes visible first (I4)",
        file: "store/src/buffer/word.rs",
        changes: &[
            ("self.0.store(id.word(), Ordering::Release)", "self.0.store(id.word(), Ordering::Relaxed)"),
            (
                "self.0.compare_exchange(Swip::cold_word(address), word, Ordering::AcqRel, Ordering::Relaxed).is_ok()",
                "self.0.compare_exchange(Swip::cold_word(address), word, Ordering::Relaxed, Ordering::Relaxed).is_ok()",
            ),
        ],
    },
    finders: &STRESS,
};

/// Nodes in allocated chunks: what lies behind a chunk is not ours.
const SHORT: Planted = Planted {
    mutant: Mutant {
        what: "a chunk has less room than slots",
        file: "store/src/buffer/region.rs",
        changes: &[(
            ".checked_shl(chunk as u32)?.checked_mul(self.slot_bytes)?",
            ".checked_shl(chunk as u32)?.checked_mul(self.slot_bytes / 2)?",
        )],
    },
    finders: &["buffer::tests"],
};

/// All of it is memory of the pool's: only what the pool tells makes it visible.
const EARLY: Planted = Planted {
    mutant: Mutant {
        what: "a frame is free while somebody pins it (I6)",
        file: "store/src/buffer/pool.rs",
        changes: &[("if pins == 0 {", "if pins < u32::MAX {")],
    },
    finders: &["buffer::tests::i6"],
};

const KEPT: Planted = Planted {
    mutant: Mutant {
        what: "a pool that goes keeps its chunks",
        file: "store/src/buffer/region.rs",
        changes: &[("unsafe { dealloc(memory, layout) };", "let _ = (memory, layout);")],
    },
    finders: &["buffer::tests"],
};

/// The memory of a new frame is zero, which is what belongs there, so that without the sanitizer this test passes. Others, where frames are used again,
/// fail far from the mistake. To the sanitizer all of it is one mapping, written by the system: only what the pool tells makes this visible.
const UNWRITTEN: Planted = Planted {
    mutant: Mutant {
        what: "a child without a page on disk has the place of whoever had the frame before",
        file: "store/src/tree/inner.rs",
        changes: &[(
            "child.set_entry(&self.entry, self.dirty);",
            "if self.entry.address == 0 { child.set_dirty() } else { child.set_entry(&self.entry, self.dirty) }",
        )],
    },
    finders: &["engine::tests::basics::a_dropped_tree"],
};

/// What this machine needs for it and does not have.
pub(crate) fn lacks() -> Option<&'static str> {
    (!cfg!(target_arch = "x86_64")).then_some("it needs x86-64").or_else(cuts::not_debian)
}

/// Runs the tests as they are, which must be silent, and with each planted mistake, which must be found.
pub(crate) fn run(sanitizer: Sanitizer) -> Result {
    let recipe = sanitizer.recipe();
    let tools = if recipe.whole { Some(tools()?) } else { None };
    let has_names = tools.is_some() || symbolizer();
    let test = |sources: &Path, tests: &[&str]| recipe.test(tools.as_deref(), has_names, sources, tests);
    // From the folder of the mistakes: to cargo, a standard library that lies in the workspace is another one than the same outside of it.
    let clean = test(&mutants::copy()?, recipe.tests)?;
    print!("{}", String::from_utf8_lossy(&clean.stdout));
    if !clean.status.success() || recipe.reports(&clean) > 0 {
        return Err(format!("{}\n{} reports", String::from_utf8_lossy(&clean.stderr), recipe.reports(&clean)).into());
    }
    println!("{sanitizer:?}: silent");
    for Planted { mutant, finders } in recipe.mutants {
        let planted = test(&mutant.plant()?, finders)?;
        let told = String::from_utf8_lossy(&planted.stderr).into_owned();
        if planted.status.success() || recipe.reports(&planted) == 0 {
            return Err(format!("not found: {}\n{told}", mutant.what).into());
        }
        let first: Vec<&str> = told.lines().skip_while(|line| !line.contains(recipe.report)).take(8).collect();
        println!("found: {} ({} reports)\n{}", mutant.what, recipe.reports(&planted), first.join("\n"));
    }
    Ok(())
}

impl Recipe {
    fn reports(&self, output: &Output) -> usize {
        String::from_utf8_lossy(&output.stderr).matches(self.report).count()
    }

    /// Runs tests of the sources in a folder.
    fn test(&self, tools: Option<&Path>, has_names: bool, sources: &Path, tests: &[&str]) -> Result<Output> {
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
            None => Command::new(cargo_path()),
        };
        eprintln!("+ RUSTFLAGS=\"{}\" cargo {} -- {}", self.flags, arguments.join(" "), tests.join(" "));
        command.args(arguments).arg("--target-dir").arg(build).arg("--").args(tests).arg("--nocapture");
        command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", self.flags);
        let (variable, options) = self.options;
        let names = if has_names {
            format!("external_symbolizer_path=/usr/bin/{SYMBOLIZER}")
        } else {
            "symbolize=0".to_owned()
        };
        command.env(variable, format!("{names}:{options}")).envs(self.profile.iter().chain(self.amounts).copied());
        Ok(command.current_dir(sources).output()?)
    }
}

fn runs(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn install(packages: &[&str]) -> Result {
    call(Command::new("apt-get").arg("update"))?;
    call(Command::new("apt-get").args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

/// Whether reports can have names; on Debian, what they take is installed where it is missing.
fn symbolizer() -> bool {
    if runs(SYMBOLIZER) {
        return true;
    }
    let done = match cuts::not_debian() {
        Some(lacks) => Err(lacks.into()),
        None => install(&[SYMBOLIZER_IN]),
    };
    match done {
        Ok(()) => true,
        Err(error) => {
            eprintln!("reports will have no names, for want of {SYMBOLIZER}: {error}");
            false
        }
    }
}

/// The folder with the instrumenting compiler; fetches it the first time.
fn tools() -> Result<PathBuf> {
    let folder = root().join("target/tsan/rust");
    let (usr, packages) = (folder.join("usr"), root().join("target/tsan/packages"));
    if !runs(CLANG) || !runs(SYMBOLIZER) {
        install(&INSTALLED)?;
    }
    if !usr.join("bin/rustc").exists() {
        std::fs::create_dir_all(&packages)?;
        call(Command::new("apt-get").arg("update"))?;
        call(Command::new("apt-get").arg("download").args(UNPACKED).current_dir(&packages))?;
        for package in std::fs::read_dir(&packages)? {
            call(Command::new("dpkg").arg("-x").arg(package?.path()).arg(&folder))?;
        }
    }
    Ok(usr)
}
