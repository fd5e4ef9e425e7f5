//! `cargo xtask invariants`: the map from the design's promises and invariants to the tests that fail when one is broken (`tests/README.md`), held
//! against the sources.

use crate::mutants::Mutant;
use crate::{Arguments, Result, run, shuttle, sim, source};
use clap::CommandFactory;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use syn::visit::{self, Visit};
use syn::{Attribute, ItemFn, ItemMacro};

/// Letters and how many there are of each, numbered from 1: promises, `P1`, and invariants, `I1`.
const NUMBERED: [(char, u32); 2] = [('P', 6), ('I', 38)];
/// The map: a table with the number, the sentence and the evidence of each.
const MAP: &str = "tests/README.md";

/// Fails if a promise or an invariant has no test, if a named test or task does not exist, or if a test that is named after an invariant is not listed there.
pub(crate) fn check() -> Result {
    let map = fs::read_to_string(run::root().join(MAP))?;
    let mut tests = BTreeSet::new();
    for source in source::all()? {
        tests.extend(tests_of(&source.path, &source.text)?);
    }
    let command = Arguments::command();
    let tasks: BTreeSet<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    let planted = |mutants: &[Mutant]| mutants.iter().map(|mutant| mutant.what.to_owned()).collect();
    let mutants = [("sim", planted(&sim::MUTANTS)), ("shuttle", planted(&shuttle::MUTANTS))].into();
    let known = Known { tests, tasks, mutants };
    let (rows, problems) = verify(&map, &known);
    let named: BTreeSet<&str> = rows.values().flat_map(|row| row.tests.iter().copied()).collect();
    let tasks: BTreeSet<&str> = rows.values().flat_map(|row| row.tasks.iter().copied()).collect();
    problems.iter().for_each(|problem| println!("{problem}"));
    println!(
        "{} invariants and {} promises, {} tests of {} in the sources, {} tasks",
        rows.keys().filter(|of| of.starts_with('I')).count(),
        rows.keys().filter(|of| of.starts_with('P')).count(),
        named.len(),
        known.tests.len(),
        tasks.len()
    );
    if problems.is_empty() { Ok(()) } else { Err(format!("{} problems in {MAP}", problems.len()).into()) }
}

/// What there is to name.
struct Known<'a> {
    /// `path::function` of every test that is run.
    tests: BTreeSet<String>,
    tasks: BTreeSet<&'a str>,
    /// Of the tasks that plant mistakes: what they say of each.
    mutants: BTreeMap<&'a str, Vec<String>>,
}

/// What the map says of one of them.
#[derive(Default)]
struct Row<'a> {
    tests: Vec<&'a str>,
    tasks: Vec<&'a str>,
}

/// What there is to show: `P1`, ..., `I38`.
fn labels() -> impl Iterator<Item = String> {
    NUMBERED.into_iter().flat_map(|(letter, most)| (1..=most).map(move |number| format!("{letter}{number}")))
}

/// The map's rows, and what is wrong with them.
fn verify<'a>(map: &'a str, known: &Known<'_>) -> (BTreeMap<&'a str, Row<'a>>, Vec<String>) {
    let (mut rows, mut problems) = (BTreeMap::<&str, Row<'a>>::new(), Vec::new());
    let all: BTreeSet<String> = labels().collect();
    for (of, evidence) in map.lines().filter_map(row) {
        if rows.contains_key(of) || !all.contains(of) {
            problems.push(format!("{of}: no promise or invariant, or listed twice"));
        }
        let row = rows.entry(of).or_default();
        for item in evidence.split('`').skip(1).step_by(2) {
            if let Some(task) = item.strip_prefix("cargo xtask ") {
                problems.extend(wrong_task(of, task, known));
                row.tasks.push(item);
            } else {
                if !known.tests.contains(item) {
                    problems.push(format!("{of}: there is no test `{item}`"));
                }
                row.tests.push(item);
            }
        }
    }
    for of in labels().filter(|of| rows.get(of.as_str()).is_none_or(|row| row.tests.is_empty())) {
        problems.push(format!("{of} has no test"));
    }
    for test in &known.tests {
        for of in named_after(test) {
            if !rows.get(of.as_str()).is_some_and(|row| row.tests.contains(&test.as_str())) {
                problems.push(format!("{of}: `{test}` is named after it and not listed"));
            }
        }
    }
    if known.tests.is_empty() || known.mutants.values().any(Vec::is_empty) {
        problems.push("nothing was found to hold the map against".to_owned());
    }
    (rows, problems)
}

/// Letter and number, and evidence, of a line of the table.
fn row(line: &str) -> Option<(&str, &str)> {
    let (of, rest) = line.strip_prefix("| ")?.split_once(" | ")?;
    let (letter, number) = of.split_at_checked(1)?;
    let numbered = NUMBERED.iter().any(|(one, _)| letter.starts_with(*one));
    (numbered && number.parse::<u32>().is_ok()).then_some((of, rest.split_once(" | ")?.1))
}

/// What is wrong with a task: it does not exist, or plants no mistake that breaks the invariant.
fn wrong_task(of: &str, task: &str, known: &Known<'_>) -> Option<String> {
    let mut words = task.split(' ');
    let name = words.next().unwrap_or_default();
    if !known.tasks.contains(name) {
        return Some(format!("{of}: there is no task `{name}`"));
    }
    let planted = known.mutants.get(name).is_some_and(|all| all.iter().any(|what| what.contains(&format!("({of})"))));
    let claimed = words.any(|word| word == "--mutants");
    (claimed && !planted).then(|| format!("{of}: `{task}` plants no mistake of it"))
}

/// The invariants that a test is named after: `file::i30_i31_...`. (`p4` is the name of an anomaly, too.)
fn named_after(test: &str) -> Vec<String> {
    let name = test.rsplit("::").next().unwrap_or_default();
    let numbers = name.split('_').map_while(|word| word.strip_prefix('i')?.parse::<u32>().ok());
    numbers.map(|number| format!("I{number}")).collect()
}

/// `path::function` of each test of a file that is run without being asked for.
fn tests_of(path: &str, text: &str) -> Result<Vec<String>> {
    let file = syn::parse_file(text).map_err(|error| format!("{path}:{}: {error}", error.span().start().line))?;
    let mut tests = Tests { path, found: Vec::new() };
    tests.visit_file(&file);
    Ok(tests.found)
}

struct Tests<'a> {
    path: &'a str,
    found: Vec<String>,
}

fn named(attribute: &Attribute, name: &str) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == name)
}

impl<'ast> Visit<'ast> for Tests<'_> {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        let has = |name| item.attrs.iter().any(|attribute| named(attribute, name));
        if has("test") && !has("ignore") {
            self.found.push(format!("{}::{}", self.path, item.sig.ident));
        }
        visit::visit_item_fn(self, item);
    }

    /// Macros such as `proptest!` hold functions that are tests.
    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        let text = item.mac.tokens.to_string();
        for test in text.split("[test]").skip(1) {
            let name = test.split_once("fn ").map(|(_, rest)| rest.split(['(', ' ']).next().unwrap_or_default());
            self.found.extend(name.map(|name| format!("{}::{name}", self.path)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, labels, tests_of, verify};

    const SOURCE: &str = "#[test] fn i1_i2_both() {}\n#[tokio::test] async fn other() {}\n#[test] #[ignore] fn i3_never() {}\n\
                          fn helper() {}\nproptest! { #[test] fn any(x in 0..9) {} }";

    fn known(mutant: &str) -> Known<'static> {
        let tests = tests_of("a.rs", SOURCE).unwrap().into_iter().collect();
        Known { tests, tasks: ["sim", "loom"].into(), mutants: [("sim", vec![mutant.to_owned()])].into() }
    }

    fn map(change: impl Fn(&str, String) -> String) -> String {
        labels().map(|of| change(&of, format!("| {of} | x | `a.rs::i1_i2_both`, `cargo xtask loom` |\n"))).collect()
    }

    fn problems(map: &str) -> Vec<String> {
        verify(map, &known("a mistake (I7)")).1
    }

    #[test]
    fn tests_are_found_by_their_attributes() {
        assert_eq!(tests_of("a.rs", SOURCE).unwrap(), ["a.rs::i1_i2_both", "a.rs::other", "a.rs::any"]);
    }

    #[test]
    fn a_whole_map_has_no_problem() {
        assert_eq!(problems(&map(|_, row| row)), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_is_told() {
        let lost = map(|of, row| if of == "I2" { String::new() } else { row });
        assert_eq!(problems(&lost), ["I2 has no test", "I2: `a.rs::i1_i2_both` is named after it and not listed"]);
        let empty = map(|of, row| if of == "I9" { row.replace("`a.rs::i1_i2_both`, ", "") } else { row });
        assert_eq!(problems(&empty), ["I9 has no test"]);
        let gone = map(|of, row| if of == "I9" { row.replace("i1_i2_both", "i3_never") } else { row });
        assert_eq!(problems(&gone), ["I9: there is no test `a.rs::i3_never`"]);
        let task = map(|of, row| if of == "I9" { row.replace("loom", "dance") } else { row });
        assert_eq!(problems(&task), ["I9: there is no task `dance`"]);
        let promise = map(|of, row| if of == "P6" { String::new() } else { row });
        assert_eq!(problems(&promise), ["P6 has no test"]);
        let twice = map(|of, row| if of == "I9" { row.clone() + &row } else { row });
        assert_eq!(problems(&twice), ["I9: no promise or invariant, or listed twice"]);
    }

    #[test]
    fn a_mistake_is_planted_if_the_map_says_so() {
        let planted = |at| map(|of, row| if of == at { row.replace("loom", "sim --mutants") } else { row });
        assert_eq!(problems(&planted("I7")), Vec::<String>::new());
        assert_eq!(problems(&planted("I8")), ["I8: `sim --mutants` plants no mistake of it"]);
        let nothing = Known { tests: Default::default(), ..known("x") };
        assert!(verify(&map(|_, row| row), &nothing).1.len() > 44);
    }
}
