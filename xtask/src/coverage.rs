//! `cargo xtask coverage`: which lines of the store, the codec and the macros run when their tests run, counted by the compiler itself
//! (`-C instrument-coverage`). Lines of tests do not count, nor do examples in documentation, whose programs the stable compiler does not keep.

use crate::Result;
use crate::run::{cargo_path, root};
use crate::source;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, spanned::Spanned};

/// The crates whose lines count, where they are, and the share of them, in per cent, that has to run: a little less than does.
const CRATES: [(&str, &str, f64); 3] = [
    ("tamarack", "store/src/", 93.5),
    ("tamarack-codec", "codec/src/", 96.0),
    ("tamarack-macros", "macros/src/", 83.0),
];
/// The packages whose tests run. `measure` is left out: that module is no part of the product.
const TESTS: [&str; 12] = [
    "-p",
    "tamarack",
    "-p",
    "tamarack-codec",
    "-p",
    "tamarack-macros",
    "-p",
    "tamarack-tests",
    "--features",
    "tamarack/bytes,tamarack/chrono,tamarack/jiff,tamarack/simulate,tamarack/time,tamarack/tokio,tamarack/tracing,tamarack/uuid",
    "--lib",
    "--tests",
];
/// Random tests go on for less long: what they get to, they get to soon, and counting makes them slow.
const SHORTER: [(&str, &str); 4] = [
    ("TAMARACK_MODEL_OPS", "30000"),
    ("TAMARACK_ISOLATION", "4000"),
    ("TAMARACK_SIM_CRASHES", "500"),
    ("TAMARACK_BACKUP_SEEDS", "10"),
];
/// Files of a crate that are named in the table, the worst ones.
const NAMED: usize = 12;
/// Files that are too short for their share to say much are not named.
const SHORT: usize = 10;

/// Lines with code in them, and those that ran.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Lines {
    all: usize,
    ran: usize,
}

impl Lines {
    fn add(&mut self, other: Self) {
        self.all += other.all;
        self.ran += other.ran;
    }

    fn percent(self) -> f64 {
        100.0 * self.ran as f64 / self.all.max(1) as f64
    }
}

/// Measures, prints the table, and fails where a crate is below its floor, or below this one.
pub(crate) fn run(floor: Option<f64>) -> Result {
    let folder = root().join("target/coverage");
    let profiles = folder.join("profiles");
    let tools = Tools::find()?;
    let _ = std::fs::remove_dir_all(&profiles);
    std::fs::create_dir_all(&profiles)?;
    let programs = programs(&folder)?;
    // Processes that are killed leave no profile: what only they run does not count.
    let tests =
        instrumented(&folder, &profiles.join("%4m.profraw")).args(["test", "--no-fail-fast"]).args(TESTS).status()?;
    if !tests.success() {
        return Err("a test failed".into());
    }
    let merged = folder.join("all.profdata");
    tools.merge(&profiles, &merged)?;
    let files = count(&tools.lines(&merged, &programs)?, &test_lines()?);
    report(&files, floor)
}

/// Cargo with the compiler's counters, which programs write there.
fn instrumented(folder: &Path, profiles: &Path) -> Command {
    let mut command = Command::new(cargo_path());
    command.current_dir(root()).env("CARGO_TARGET_DIR", folder).env("CARGO_INCREMENTAL", "0");
    command.env("RUSTFLAGS", "-C instrument-coverage").env("LLVM_PROFILE_FILE", profiles).envs(SHORTER);
    command
}

/// Builds the tests. What has lines in it: they, and the library with the macros, which the compiler loads.
fn programs(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    eprintln!("+ RUSTFLAGS=\"-C instrument-coverage\" cargo test {}", TESTS.join(" "));
    // The compiler runs macros and build scripts: those of a build are not tests, and happen only where something changed.
    let mut build = instrumented(folder, &folder.join("build/%4m.profraw"));
    build.args(["test", "--no-run", "--message-format=json-render-diagnostics"]).args(TESTS);
    let output = build.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("the tests do not compile".into());
    }
    let mut programs = BTreeSet::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        programs.extend(message["executable"].as_str().map(PathBuf::from));
        if message["target"]["name"] == "tamarack_macros" && message["target"]["kind"][0] == "proc-macro" {
            let files = message["filenames"].as_array().into_iter().flatten().filter_map(|name| name.as_str());
            programs.extend(files.map(PathBuf::from).filter(|path| path.extension().is_some_and(|kind| kind == "so")));
        }
    }
    if programs.is_empty() { Err("there are no tests".into()) } else { Ok(programs) }
}

/// LLVM's readers of profiles. They read those of a compiler with the same major version.
struct Tools {
    profdata: String,
    cov: String,
}

impl Tools {
    /// Installs them where they are missing and Debian has them.
    fn find() -> Result<Self> {
        let output = Command::new("rustc").arg("-vV").current_dir(root()).output()?;
        let told = String::from_utf8(output.stdout)?;
        let version = told
            .lines()
            .find_map(|line| line.strip_prefix("LLVM version: "))
            .ok_or("rustc tells no version of LLVM")?;
        let major = version.split('.').next().unwrap_or_default();
        let tools = Self { profdata: format!("llvm-profdata-{major}"), cov: format!("llvm-cov-{major}") };
        if !tools.are_here() {
            if !Path::new("/etc/debian_version").exists() {
                return Err(
                    format!("needs {} and {}, which only Debian gives by itself", tools.profdata, tools.cov).into()
                );
            }
            call(Command::new("apt-get").arg("update"))?;
            let package = format!("llvm-{major}");
            call(Command::new("apt-get").args(["install", "--yes", "--no-install-recommends", &package]))?;
        }
        Ok(tools)
    }

    fn are_here(&self) -> bool {
        [&self.profdata, &self.cov]
            .into_iter()
            .all(|tool| Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success()))
    }

    fn merge(&self, profiles: &Path, into: &Path) -> Result {
        call(
            Command::new(&self.profdata)
                .args(["merge", "--sparse", "--failure-mode=all", "-o"])
                .arg(into)
                .arg(profiles),
        )
    }

    /// How often each line ran, as LLVM writes it for lcov.
    fn lines(&self, profile: &Path, programs: &BTreeSet<PathBuf>) -> Result<String> {
        let mut export = Command::new(&self.cov);
        export.args(["export", "--format=lcov", "--skip-functions", "--skip-branches"]);
        export.arg(format!("--instr-profile={}", profile.display()));
        for (number, program) in programs.iter().enumerate() {
            if number > 0 {
                export.arg("--object");
            }
            export.arg(program);
        }
        export.arg("--sources").args(CRATES.map(|(_, folder, _)| root().join(folder)));
        let output = export.stderr(Stdio::inherit()).output()?;
        if output.status.success() { Ok(String::from_utf8(output.stdout)?) } else { Err("llvm-cov failed".into()) }
    }
}

fn call(command: &mut Command) -> Result {
    if command.status()?.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
}

/// Lines of each file that are no tests', from what LLVM wrote.
fn count(lcov: &str, tests: &Tests) -> BTreeMap<String, Lines> {
    let here = root();
    let mut files = BTreeMap::<String, Lines>::new();
    let mut file = None;
    for line in lcov.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            file = Path::new(path).strip_prefix(&here).ok().map(|path| path.to_string_lossy().into_owned());
        } else if let (Some(path), Some((number, times))) =
            (&file, line.strip_prefix("DA:").and_then(|counts| counts.split_once(',')))
            && let Ok(number) = number.parse()
            && !tests.has(path, number)
        {
            files.entry(path.clone()).or_default().add(Lines { all: 1, ran: usize::from(times != "0") });
        }
    }
    files
}

/// Prints the table. Fails if a crate has no lines, or fewer than its floor ran.
fn report(files: &BTreeMap<String, Lines>, floor: Option<f64>) -> Result {
    let mut below = Vec::new();
    println!("{:>8}{:>8}{:>8}", "lines", "ran", "%");
    for (name, folder, usual) in CRATES {
        let floor = floor.unwrap_or(usual);
        let mut its: Vec<(&String, Lines)> =
            files.iter().filter(|(path, _)| path.starts_with(folder)).map(|(path, lines)| (path, *lines)).collect();
        let mut all = Lines::default();
        its.iter().for_each(|(_, lines)| all.add(*lines));
        println!("{:>8}{:>8}{:>8.1}  {name}, {} files", all.all, all.ran, all.percent(), its.len());
        its.retain(|(_, lines)| lines.all >= SHORT && lines.ran < lines.all);
        its.sort_by(|one, other| one.1.percent().total_cmp(&other.1.percent()));
        for (path, lines) in its.into_iter().take(NAMED) {
            println!("{:>8}{:>8}{:>8.1}      {path}", lines.all, lines.ran, lines.percent());
        }
        if all.percent() < floor {
            below.push(format!("{name} is below its floor of {floor} %"));
        }
    }
    if below.is_empty() { Ok(()) } else { Err(below.join(", ").into()) }
}

/// Lines that exist for tests only.
#[derive(Default)]
struct Tests {
    /// By file.
    lines: BTreeMap<String, Vec<RangeInclusive<usize>>>,
    /// Modules: the beginnings of their files' paths.
    modules: Vec<String>,
}

impl Tests {
    fn has(&self, path: &str, line: usize) -> bool {
        self.modules
            .iter()
            .any(|module| path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/')))
            || self.lines.get(path).is_some_and(|ranges| ranges.iter().any(|range| range.contains(&line)))
    }
}

fn test_lines() -> Result<Tests> {
    let mut tests = Tests::default();
    for source in source::all()? {
        if CRATES.iter().any(|(_, folder, _)| source.path.starts_with(folder)) {
            find_tests(&source.path, &source.text, &mut tests)?;
        }
    }
    Ok(tests)
}

fn find_tests(path: &str, text: &str, into: &mut Tests) -> Result {
    let file = syn::parse_file(text).map_err(|error| format!("{path}:{}: {error}", error.span().start().line))?;
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    // Where the files of its modules are.
    let folder = ["/mod", "/lib"].into_iter().find_map(|name| stem.strip_suffix(name)).unwrap_or(stem);
    let mut finder = Finder { folder, lines: Vec::new(), modules: Vec::new() };
    finder.visit_file(&file);
    into.modules.append(&mut finder.modules);
    into.lines.insert(path.to_owned(), finder.lines);
    Ok(())
}

struct Finder<'a> {
    folder: &'a str,
    lines: Vec<RangeInclusive<usize>>,
    modules: Vec<String>,
}

impl Finder<'_> {
    /// True if it is for tests only.
    fn take(&mut self, attributes: &[Attribute], item: &impl Spanned) -> bool {
        let is_test = attributes.iter().any(for_tests);
        if is_test {
            let span = item.span();
            self.lines.push(span.start().line..=span.end().line);
        }
        is_test
    }
}

/// `test` stands in the condition, and no feature that would make it a part of the product.
fn for_tests(attribute: &Attribute) -> bool {
    match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            let words: Vec<&str> = condition.split(|c: char| !c.is_alphanumeric()).collect();
            words.contains(&"test") && !words.contains(&"feature")
        }
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Const(item) => &item.attrs,
            Item::Enum(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Macro(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Static(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Trait(item) => &item.attrs,
            _ => return,
        };
        if !self.take(attributes, item) {
            visit::visit_item(self, item);
        } else if let Item::Mod(module) = item
            && module.content.is_none()
        {
            self.modules.push(format!("{}/{}", self.folder, module.ident));
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !self.take(&item.attrs, item) {
            visit::visit_impl_item_fn(self, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_tests_are_told_apart() {
        let mut tests = Tests::default();
        let text = "fn a() {}\n#[cfg(test)]\nmod tests;\n#[cfg(any(test, feature = \"x\"))]\nfn b() {\n}\nimpl A {\n#[cfg(test)]\nfn c() {\n}\nfn d() {}\n}\n#[cfg(all(test, shuttle))]\nmod e {\n}\n";
        find_tests("store/src/wal/mod.rs", text, &mut tests).unwrap();
        let of_tests: Vec<usize> = (1..=15).filter(|line| tests.has("store/src/wal/mod.rs", *line)).collect();
        assert_eq!(of_tests, [2, 3, 8, 9, 10, 13, 14, 15]);
        assert!(tests.has("store/src/wal/tests.rs", 1) && tests.has("store/src/wal/tests/more.rs", 1));
        assert!(!tests.has("store/src/wal/tests_of.rs", 1) && !tests.has("store/src/tests.rs", 1));
    }

    #[test]
    fn lines_are_counted() {
        let path = root().join("store/src/a.rs");
        let lcov = format!("SF:{}\nDA:1,0\nDA:2,7\nDA:4,1\nend_of_record\nSF:/elsewhere.rs\nDA:1,1\n", path.display());
        let mut tests = Tests::default();
        tests.lines.insert("store/src/a.rs".to_owned(), vec![4..=9]);
        let files = count(&lcov, &tests);
        assert_eq!(files, [("store/src/a.rs".to_owned(), Lines { all: 2, ran: 1 })].into());
        // Crates without lines are below any floor.
        assert!(report(&files, Some(1.0)).is_err());
    }
}
