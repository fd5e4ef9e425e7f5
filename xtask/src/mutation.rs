//! `cargo xtask mutants`: cargo-mutants changes the codec, the nodes and the log in one place after the other, in a copy of the sources, and each
//! change has to be found by the tests of that code. What is not found is a survivor, and has its reason in a file: it changes
//! nothing that can be seen, or what it changes is not promised.

use crate::Result;
use crate::mutants::{self, Edit};
use crate::run::{cargo, cargo_path, root};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

/// The survivors: a change and its reason, one a line.
const SURVIVORS: &str = "tests/survivors.txt";
/// Between a change and its reason.
const BECAUSE: &str = " // ";
const VERSION: &str = "27.1.0";

/// Code and the tests that matter for it.
struct Part {
    name: &'static str,
    /// Where it is.
    files: &'static str,
    package: &'static [&'static str],
    /// Functions that are left out: `seal_record` and `record_places` are tools of the tests' own disk, and are compiled for it alone.
    without: &'static [&'static str],
    /// How well its tests are compiled: much of it takes more time to build, little to run.
    optimised: u8,
    /// What is quick, and what then looks at that which was not found.
    stages: [Stage; 2],
}

struct Stage {
    name: &'static str,
    /// What makes the copy quick to build and to test.
    edits: &'static [Edit],
    /// For cargo test.
    tests: &'static [&'static str],
}

/// The log and the nodes need nothing of the engine, and a small part of its time to build.
const ALONE: Edit = ("store/src/lib.rs", |_| {
    "#![allow(dead_code, unused, missing_docs, unreachable_pub)]\n\
     mod error;\nmod sync;\nmod vfs;\nmod wal;\nmod tree {\n    pub(crate) mod node;\n}\n\
     mod format {\n    pub(crate) const TIMESTAMP_LIMIT: u64 = 1 << 61;\n}\n"
        .to_owned()
});
/// cargo-mutants builds all tests of a package, whatever is run: here, the unit tests alone.
const UNIT: Edit = ("codec/Cargo.toml", |text| text.replace("[package]\n", "[package]\nautotests = false\n"));
/// The tests beside the codec become part of its unit tests: one thing to build instead of four.
const WITHIN: Edit = ("codec/src/lib.rs", |text| {
    let mut text = format!("{text}\n#[cfg(test)]\nextern crate self as tamarack_codec;\n");
    for name in ["golden", "laws", "rows"] {
        text += &format!("#[cfg(test)]\n#[path = \"../tests/{name}.rs\"]\nmod {name}_beside;\n");
    }
    text
});
/// A tenth of the cases.
const FEWER: [Edit; 2] = [("codec/tests/laws.rs", tenth), ("codec/tests/rows.rs", tenth)];

fn tenth(text: &str) -> String {
    text.replace("000))]", "00))]")
}

const PARTS: [Part; 3] = [
    Part {
        name: "codec",
        files: "codec/src/**/*.rs",
        package: &["-p", "tamarack-codec", "--all-features"],
        without: &[],
        optimised: 0,
        stages: [
            Stage { name: "quick", edits: &[FEWER[0], FEWER[1], UNIT, WITHIN], tests: &["--lib"] },
            Stage { name: "more", edits: &[], tests: &[] },
        ],
    },
    Part {
        name: "node",
        files: "store/src/tree/node/**/*.rs",
        package: &["-p", "tamarack"],
        without: &[],
        optimised: 1,
        stages: [
            Stage { name: "quick", edits: &[ALONE], tests: &["--lib", "--", "tree::node"] },
            Stage {
                name: "more",
                edits: &[],
                tests: &["--lib", "--", "tree::", "engine::tests::basics", "engine::tests::compact"],
            },
        ],
    },
    Part {
        name: "wal",
        files: "store/src/wal/**/*.rs",
        package: &["-p", "tamarack"],
        without: &["seal_record", "record_places"],
        optimised: 1,
        stages: [
            Stage { name: "quick", edits: &[ALONE], tests: &["--lib", "--", "wal::"] },
            Stage {
                name: "more",
                edits: &[],
                tests: &[
                    "--lib",
                    "--",
                    "wal::",
                    "engine::tests::basics",
                    "engine::tests::crash",
                    "engine::tests::unread",
                    "salvage::",
                ],
            },
        ],
    },
];

/// What became of changes; each word is the name of cargo-mutants' list.
const FATES: [&str; 4] = ["caught", "missed", "unviable", "timeout"];
type Fates = [Vec<String>; FATES.len()];

/// No change may take more memory, in kilobytes: one that never ends may fill it without end.
const MEMORY: u64 = 8 << 20;

/// What one call is told.
#[derive(clap::Args)]
pub(crate) struct Wish {
    /// Only this part: codec, node or wal.
    #[arg(long)]
    only: Option<String>,
    /// Only so many of them: `k/n` are those whose number is k, counted by n.
    #[arg(long)]
    shard: Option<String>,
    /// Seconds for the tests of one. A change whose tests take more hangs, and counts as found.
    #[arg(long, default_value_t = 30)]
    timeout: u64,
    /// Only the tests that are quick: what they miss is not looked at with all that matter.
    #[arg(long)]
    quick: bool,
    /// So many at a time, each in a copy of its own.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

impl Wish {
    /// About so many of all changes; which, says the seed.
    pub(crate) fn some(count: u64, seed: u64) -> Self {
        /// What there is, about.
        const ALL: u64 = 2000;
        let shards = (ALL / count.max(1)).max(1);
        let shard = Some(format!("{}/{shards}", seed % shards));
        Self { only: None, shard, timeout: 30, quick: false, jobs: 2 }
    }
}

/// Tries the changes; how many were more than words that do not compile.
pub(crate) fn run(wish: &Wish) -> Result<u64> {
    install()?;
    let listed = fs::read_to_string(root().join(SURVIVORS))?;
    let reasons = parse(&listed)?;
    let (mut problems, mut tried) = (Vec::new(), 0);
    println!(
        "{:<8}{:>8}{:>8}{:>8}{:>8}{:>10}{:>10}{:>10}",
        "part", "changes", "tried", "caught", "missed", "unviable", "timeouts", "minutes"
    );
    for part in PARTS.iter().filter(|part| wish.only.as_ref().is_none_or(|name| name == part.name)) {
        let list = part.list()?;
        let names = names(&list);
        let begun = Instant::now();
        let chosen = choose(&list, wish.shard.as_deref())?;
        let fates = part.mutate(&chosen, &names, &reasons, wish)?;
        let [caught, missed, unviable, hung] = &fates;
        print!("{:<8}{:>8}{:>8}", part.name, names.len(), chosen.len());
        print!("{:>8}{:>8}{:>10}{:>10}", caught.len(), missed.len(), unviable.len(), hung.len());
        println!("{:>10.1}", begun.elapsed().as_secs_f64() / 60.0);
        tried += caught.len() + missed.len() + hung.len();
        problems.extend(part.compare(&names, &fates, &reasons));
    }
    problems.iter().for_each(|problem| println!("{problem}"));
    match (tried, problems.len()) {
        (0, _) => Err("nothing was tried".into()),
        (_, 0) => Ok(tried as u64),
        (_, count) => Err(format!("{count} problems; reasons are in {SURVIVORS}").into()),
    }
}

/// Those of a shard.
fn choose<'a>(list: &'a [String], shard: Option<&str>) -> Result<Vec<&'a str>> {
    let numbers = shard.unwrap_or("0/1").split_once('/').ok_or("a shard is `k/n`")?;
    let (k, n): (usize, usize) = (numbers.0.parse()?, numbers.1.parse()?);
    if k >= n {
        return Err("of a shard `k/n`, k is below n".into());
    }
    Ok(list.iter().skip(k).step_by(n).map(String::as_str).collect())
}

impl Part {
    /// All changes, as cargo-mutants names them: `file:line:column: what`.
    fn list(&self) -> Result<Vec<String>> {
        let copy = self.folder(0)?.join("sources");
        mutants::copy_to(&copy, self.stages[0].edits)?;
        let mut command = tool(&copy)?;
        let output = command.args(["--list", "-f", self.files]).args(self.package).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err("cargo-mutants lists nothing".into());
        }
        let list = String::from_utf8(output.stdout)?;
        let kept = |line: &&str| !self.without.iter().any(|function| line.contains(function));
        Ok(list.lines().filter(kept).map(str::to_owned).collect())
    }

    /// The lists of cargo-mutants, in the order of the fates. What is missed and has a reason is not looked at a second time.
    fn mutate(
        &self,
        chosen: &[&str],
        names: &HashMap<String, String>,
        reasons: &BTreeMap<&str, &str>,
        wish: &Wish,
    ) -> Result<Fates> {
        let [quick, more] = &self.stages;
        let mut fates = self.stage(quick, chosen, wish)?;
        let missed = std::mem::take(&mut fates[1]);
        let (known, unknown): (Vec<String>, Vec<String>) = missed
            .into_iter()
            .partition(|line| names.get(line).is_some_and(|name| reasons.contains_key(name.as_str())));
        fates[1] = known;
        if wish.quick {
            fates[1].extend(unknown);
            return Ok(fates);
        }
        let unknown: Vec<&str> = unknown.iter().map(String::as_str).collect();
        let later = self.stage(more, &unknown, wish)?;
        fates.iter_mut().zip(later).for_each(|(fate, mut later)| fate.append(&mut later));
        Ok(fates)
    }

    /// Tries these, several at a time.
    fn stage(&self, stage: &Stage, which: &[&str], wish: &Wish) -> Result<Fates> {
        let jobs = wish.jobs.clamp(1, which.len().max(1));
        let each: Vec<Vec<&str>> =
            (0..jobs).map(|job| which.iter().skip(job).step_by(jobs).copied().collect()).collect();
        thread::scope(|scope| {
            let each = each.iter().enumerate().filter(|(_, which)| !which.is_empty());
            let works: Vec<_> = each
                .map(|(job, which)| {
                    scope.spawn(move || self.work(job, stage, which, wish.timeout).map_err(|error| error.to_string()))
                })
                .collect();
            let mut fates = Fates::default();
            for work in works {
                let done = work.join().map_err(|_| "a thread panicked")??;
                fates.iter_mut().zip(done).for_each(|(fate, mut done)| fate.append(&mut done));
            }
            Ok(fates)
        })
    }

    /// Tries these in a copy of the sources.
    fn work(&self, job: usize, stage: &Stage, which: &[&str], timeout: u64) -> Result<Fates> {
        let folder = self.folder(job)?;
        let (copy, out) = (folder.join("sources"), folder.join(self.name).join(stage.name));
        mutants::copy_to(&copy, stage.edits)?;
        let _ = fs::remove_dir_all(&out);
        fs::create_dir_all(&out)?;
        let mut command = tool(&copy)?;
        command.env("CARGO_TARGET_DIR", folder.join("build")).env("CARGO_INCREMENTAL", "1");
        command.args(["--in-place", "--timeout", &timeout.to_string(), "-f", self.files, "-o"]).arg(&out);
        command.args(["--colors", "never"]).args(self.package);
        command.arg(format!("--cargo-arg=--config=profile.test.opt-level={}", self.optimised));
        command.arg("--cargo-arg=--config=profile.test.package.\"*\".opt-level=1");
        command.args(which.iter().flat_map(|name| ["-F".to_owned(), format!("^{}$", escape(name))]));
        eprintln!("+ cargo mutants -f {} ... -- {}", self.files, stage.tests.join(" "));
        // What it says of each is in the lists.
        let status = command.arg("--").args(stage.tests).stdout(Stdio::inherit()).status()?;
        let lists = out.join("mutants.out");
        // 2 and 3: something was missed, or took too long.
        if !matches!(status.code(), Some(0 | 2 | 3)) {
            return Err(format!("cargo-mutants ended with {status}; its logs are in {}", lists.display()).into());
        }
        let mut fates = Fates::default();
        for (fate, name) in fates.iter_mut().zip(FATES) {
            let list = fs::read_to_string(lists.join(format!("{name}.txt")))?;
            // It also tries those that delete a field, whatever it was told.
            *fate = list.lines().filter(|line| which.contains(line)).map(str::to_owned).collect();
        }
        let tried: usize = fates.iter().map(Vec::len).sum();
        if tried != which.len() {
            return Err(format!("{tried} of {} were tried; the logs are in {}", which.len(), lists.display()).into());
        }
        Ok(fates)
    }

    /// Where one of the threads works.
    fn folder(&self, job: usize) -> Result<PathBuf> {
        let folder = root().join("target/mutation").join(self.name).join(job.to_string());
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// What is wrong with the survivors and their reasons.
    fn compare(
        &self,
        names: &HashMap<String, String>,
        [caught, missed, unviable, hung]: &Fates,
        reasons: &BTreeMap<&str, &str>,
    ) -> Vec<String> {
        let name = |line: &String| names.get(line).cloned().unwrap_or_else(|| line.clone());
        let mut problems = Vec::new();
        for line in missed.iter().filter(|line| !reasons.contains_key(name(line).as_str())) {
            problems.push(format!("SURVIVED without a reason: {}\n    {line}", name(line)));
        }
        let found: BTreeSet<String> = caught.iter().chain(unviable).chain(hung).map(name).collect();
        let all: BTreeSet<&str> = names.values().map(String::as_str).collect();
        let folder = self.files.split('*').next().unwrap_or_default();
        for change in reasons.keys().filter(|change| change.starts_with(folder)) {
            if !all.contains(change) {
                problems.push(format!("NO SUCH change, take it out: {change}"));
            } else if found.contains(*change) {
                problems.push(format!("FOUND by now, take it out: {change}"));
            }
        }
        problems
    }
}

/// Names without lines and columns, which move: `file: what`, and a number behind it from the second one of that name on.
fn names(list: &[String]) -> HashMap<String, String> {
    let mut counts = HashMap::<String, usize>::new();
    let mut names = HashMap::new();
    for line in list {
        let mut parts = line.splitn(4, ':');
        let (Some(file), Some(what)) = (parts.next(), parts.nth(2)) else { continue };
        let name = format!("{file}:{what}");
        let count = counts.entry(name.clone()).or_default();
        *count += 1;
        let name = if *count == 1 { name } else { format!("{name} ({count})") };
        names.insert(line.clone(), name);
    }
    names
}

fn parse(text: &str) -> Result<BTreeMap<&str, &str>> {
    let mut reasons = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let pair = line.split_once(BECAUSE).filter(|(_, reason)| !reason.trim().is_empty());
        let (change, reason) = pair.ok_or_else(|| format!("{SURVIVORS}: no reason in `{line}`"))?;
        if reasons.insert(change, reason).is_some() {
            return Err(format!("{SURVIVORS}: twice: {change}").into());
        }
    }
    Ok(reasons)
}

/// A name as a regular expression.
fn escape(name: &str) -> String {
    let special = |c: char| r"\.+*?()|[]{}^$".contains(c);
    name.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// cargo-mutants on a copy of the sources. The tests' random values are the same for every change, and are not made small.
fn tool(copy: &Path) -> Result<Command> {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {MEMORY} && exec \"$@\""), "sh"]);
    command.arg(root().join("target/tools/bin/cargo-mutants")).arg("mutants").current_dir(copy);
    command.env("CARGO", cargo_path()).env("CARGO_PROFILE_TEST_DEBUG", "false").env("CARGO_PROFILE_DEV_DEBUG", "false");
    command.env("PROPTEST_RNG_SEED", "1").env("PROPTEST_MAX_SHRINK_ITERS", "0");
    command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true");
    Ok(command)
}

/// cargo-mutants, below `target/`.
fn install() -> Result {
    let folder = root().join("target/tools");
    if is_there(&folder.join("bin/cargo-mutants")) {
        return Ok(());
    }
    let folder = folder.to_string_lossy();
    cargo(&["install", "cargo-mutants", "--version", VERSION, "--locked", "--root", &folder], &[])
}

fn is_there(tool: &Path) -> bool {
    let output = Command::new(tool).args(["mutants", "--version"]).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim().ends_with(VERSION))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    #[test]
    fn names_have_no_lines_and_are_unique() {
        let list = lines(&[
            "a.rs:1:2: replace f -> A::B with C::D",
            "a.rs:3:4: replace + with - in f",
            "a.rs:3:9: replace + with - in f",
        ]);
        let names = names(&list);
        let named: Vec<&str> = list.iter().map(|line| names[line].as_str()).collect();
        assert_eq!(
            named,
            ["a.rs: replace f -> A::B with C::D", "a.rs: replace + with - in f", "a.rs: replace + with - in f (2)"]
        );
    }

    #[test]
    fn names_become_expressions() {
        assert_eq!(escape("a.rs:1:2: replace || with && in f<'_>"), r"a\.rs:1:2: replace \|\| with && in f<'_>");
    }

    #[test]
    fn reasons_are_held_against_the_survivors() {
        let part = &PARTS[0];
        let list = lines(&["codec/src/a.rs:1:2: x", "codec/src/a.rs:2:2: x", "codec/src/a.rs:3:2: y"]);
        let names = names(&list);
        let compare = |text: &str, missed: &[&str], caught: &[&str]| {
            part.compare(&names, &[lines(caught), lines(missed), Vec::new(), Vec::new()], &parse(text).unwrap())
        };
        let (one, other, last) = (list[0].as_str(), list[1].as_str(), list[2].as_str());
        let reason = "# text\n\ncodec/src/a.rs: x (2) // it is so\nstore/src/a.rs: x // another part's\n";
        assert!(compare(reason, &[other], &[one, last]).is_empty());
        // What was not tried says nothing.
        assert!(compare(reason, &[], &[one]).is_empty());
        assert!(compare(reason, &[one, other], &[])[0].starts_with("SURVIVED without a reason: codec/src/a.rs: x\n"));
        assert!(compare(reason, &[], &[other])[0].starts_with("FOUND by now"));
        assert!(compare("codec/src/a.rs: z // gone\n", &[], &[])[0].starts_with("NO SUCH change"));
        assert!(
            parse("codec/src/a.rs: z\n").is_err() && parse("a // \n").is_err() && parse("a // b\na // c\n").is_err()
        );
    }
}
