//! `cargo xtask mutants`: cargo-mutants changes the codec, the nodes and the log in one place after the other, in a copy of the sources, and each
//! change has to be found by the tests of that code. What is not found is a survivor, and has its reason in a file: it changes
//! nothing that can be seen, or what it changes is not promised.

use crate::Result;
use crate::mutants;
use crate::run::{cargo, cargo_path, root};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
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
    /// For cargo test: what is quick, and what then looks at that which was not found.
    tests: [&'static [&'static str]; 2],
}

const PARTS: [Part; 3] = [
    Part {
        name: "codec",
        files: "codec/src/**/*.rs",
        package: &["-p", "tamarack-codec", "--all-features"],
        tests: [&["--lib", "--test", "golden", "--test", "laws"], &[]],
    },
    Part {
        name: "node",
        files: "store/src/tree/node/**/*.rs",
        package: &["-p", "tamarack"],
        tests: [
            &["--lib", "--", "tree::node"],
            &["--lib", "--", "tree::", "engine::tests::basics", "engine::tests::compact"],
        ],
    },
    Part {
        name: "wal",
        files: "store/src/wal/**/*.rs",
        package: &["-p", "tamarack"],
        tests: [
            &["--lib", "--", "wal::"],
            &["--lib", "--", "wal::", "engine::tests::basics", "engine::tests::crash", "salvage::"],
        ],
    },
];

/// What became of changes; each word is the name of cargo-mutants' list.
const FATES: [&str; 4] = ["caught", "missed", "unviable", "timeout"];
type Fates = [Vec<String>; FATES.len()];

/// Builds that take little time, of what changes: nothing else is built again.
const QUICK: [&str; 2] =
    ["--cargo-arg=--config=profile.test.opt-level=0", "--cargo-arg=--config=profile.test.package.\"*\".opt-level=1"];

/// Tries the changes of each part, or of the named one; of `shard`, `k/n`, every n-th from the k-th on. A change whose tests take longer than
/// `timeout` seconds hangs, and counts as found.
pub(crate) fn run(only: Option<&str>, shard: Option<&str>, timeout: u64) -> Result {
    install()?;
    let listed = fs::read_to_string(root().join(SURVIVORS))?;
    let reasons = parse(&listed)?;
    let (mut problems, mut tried) = (Vec::new(), 0);
    println!(
        "{:<8}{:>8}{:>8}{:>8}{:>10}{:>10}{:>10}",
        "part", "changes", "caught", "missed", "unviable", "timeouts", "minutes"
    );
    for part in PARTS.iter().filter(|part| only.is_none_or(|name| name == part.name)) {
        let names = names(&list(part)?);
        let begun = Instant::now();
        let fates = part.mutate(shard, timeout)?;
        let [caught, missed, unviable, hung] = &fates;
        print!("{:<8}{:>8}", part.name, names.len());
        print!("{:>8}{:>8}{:>10}{:>10}", caught.len(), missed.len(), unviable.len(), hung.len());
        println!("{:>10.1}", begun.elapsed().as_secs_f64() / 60.0);
        tried += caught.len() + missed.len() + hung.len();
        problems.extend(part.compare(&names, &fates, &reasons));
    }
    problems.iter().for_each(|problem| println!("{problem}"));
    match (tried, problems.len()) {
        (0, _) => Err("nothing was tried".into()),
        (_, 0) => Ok(()),
        (_, count) => Err(format!("{count} problems; reasons are in {SURVIVORS}").into()),
    }
}

impl Part {
    /// The lists of cargo-mutants, in the order of the fates.
    fn mutate(&self, shard: Option<&str>, timeout: u64) -> Result<Fates> {
        let [quick, more] = self.tests;
        let shard: Vec<&str> = shard.iter().flat_map(|shard| ["--sharding", "round-robin", "--shard", shard]).collect();
        let mut fates = self.stage("quick", &shard, quick, timeout)?;
        let missed = std::mem::take(&mut fates[1]);
        if !missed.is_empty() {
            let words: Vec<String> = missed.iter().map(|name| format!("^{}$", escape(name))).collect();
            let only: Vec<&str> = words.iter().flat_map(|word| ["-F", word]).collect();
            let later = self.stage("more", &only, more, timeout)?;
            fates.iter_mut().zip(later).for_each(|(fate, mut later)| fate.append(&mut later));
        }
        Ok(fates)
    }

    /// Tries those that `which` says.
    fn stage(&self, name: &str, which: &[&str], tests: &[&str], timeout: u64) -> Result<Fates> {
        let out = root().join("target/mutation").join(self.name).join(name);
        let _ = fs::remove_dir_all(&out);
        fs::create_dir_all(&out)?;
        let mut command = tool()?;
        command.args(["--in-place", "--timeout", &timeout.to_string(), "-f", self.files, "-o"]).arg(&out);
        command.args(["--colors", "never"]).args(QUICK).args(self.package).args(which);
        eprintln!("+ cargo mutants -f {} ... -- {}", self.files, tests.join(" "));
        // What it says of each is in the lists.
        let status = command.arg("--").args(tests).stdout(Stdio::inherit()).status()?;
        let folder = out.join("mutants.out");
        // 2 and 3: something was missed, or took too long.
        if !matches!(status.code(), Some(0 | 2 | 3)) {
            return Err(format!("cargo-mutants ended with {status}; its logs are in {}", folder.display()).into());
        }
        let mut fates = Fates::default();
        for (fate, name) in fates.iter_mut().zip(FATES) {
            *fate = fs::read_to_string(folder.join(format!("{name}.txt")))?.lines().map(str::to_owned).collect();
        }
        Ok(fates)
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

/// All changes of a part, as cargo-mutants names them: `file:line:column: what`.
fn list(part: &Part) -> Result<Vec<String>> {
    let output = tool()?.args(["--list", "-f", part.files]).args(part.package).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("cargo-mutants lists nothing".into());
    }
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
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

/// cargo-mutants on a copy of the sources.
fn tool() -> Result<Command> {
    let mut command = Command::new(root().join("target/tools/bin/cargo-mutants"));
    command.arg("mutants").current_dir(mutants::copy()?).env("CARGO", cargo_path());
    command.env("CARGO_TARGET_DIR", root().join("target/mutation/build")).env("CARGO_INCREMENTAL", "1");
    command.env("CARGO_PROFILE_TEST_DEBUG", "false").env("CARGO_PROFILE_DEV_DEBUG", "false");
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
