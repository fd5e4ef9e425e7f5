//! What differs between a table in the file and the same table in the program, as text.

use super::entry::{Named, TableEntry};
use crate::error::{Error, ErrorKind};
use std::fmt::Write as _;

/// What to do about it, as long as this version cannot change a stored schema.
const ADVICE: &str = "Nothing was changed. This version cannot change a stored schema: \
                      restore the definition that wrote the file, store the new one under another table name, or give up what the \
                      table holds: open the file as `Database<()>` and call `delete_table_named` in a write transaction.";

/// The error for a table whose definition differs from the file's.
pub(super) fn mismatch(name: &str, file: &TableEntry, program: &TableEntry) -> Error {
    let mut text = format!("table `{name}` in the file differs from the program's:\n");
    match (&file.record, &program.record) {
        (None, Some(record)) => {
            let _ =
                writeln!(text, "  it is a plain table in the file, and stores the record `{record}` in the program");
        }
        (Some(record), None) => {
            let _ =
                writeln!(text, "  it stores the record `{record}` in the file, and is a plain table in the program");
        }
        _ => lines(&mut text, file, program),
    }
    text.push_str(ADVICE);
    Error::new(ErrorKind::SchemaMismatch, text)
}

fn lines(text: &mut String, file: &TableEntry, program: &TableEntry) {
    named(text, "key part", &file.key, &program.key);
    let (in_file, in_program): (Vec<_>, Vec<_>) =
        (file.fields().cloned().collect(), program.fields().cloned().collect());
    named(text, "field", &in_file, &in_program);
    for index in &file.indexes {
        match program.indexes.iter().find(|other| other.name == index.name) {
            None => {
                let _ = writeln!(text, "  index `{}` is in the file and not in the program", index.name);
            }
            Some(other) => {
                flag(text, &index.name, "unique", index.unique, other.unique);
                flag(text, &index.name, "made of each element", index.each, other.each);
                named(text, &format!("index `{}`: part", index.name), &index.parts, &other.parts);
            }
        }
    }
    for index in &program.indexes {
        if !file.indexes.iter().any(|other| other.name == index.name) {
            let _ = writeln!(text, "  index `{}` is in the program and not in the file", index.name);
        }
    }
    let names = |entry: &TableEntry| entry.indexes.iter().map(|index| index.name.clone()).collect::<Vec<_>>();
    order(text, "indexes", &names(file), &names(program));
    if let (Some(in_file), Some(in_program)) = (&file.value, &program.value)
        && in_file != in_program
    {
        let _ = writeln!(text, "  the value is {in_file} in the file, {in_program} in the program");
    }
    if file.auto != program.auto {
        let (a, b) = if file.auto { ("automatic", "not") } else { ("not automatic", "automatic") };
        let _ = writeln!(text, "  ids are {a} in the file, {b} in the program");
    }
}

fn flag(text: &mut String, index: &str, what: &str, file: bool, program: bool) {
    if file != program {
        let (a, b) = if file { ("is", "not") } else { ("is not", "is") };
        let _ = writeln!(text, "  index `{index}` {a} {what} in the file, {b} in the program");
    }
}

fn named(text: &mut String, what: &str, file: &[Named], program: &[Named]) {
    for (name, shape) in file {
        match program.iter().find(|(other, _)| other == name) {
            None => {
                let _ = writeln!(text, "  {what} `{name}` ({shape}) is in the file and not in the program");
            }
            Some((_, other)) if other != shape => {
                let _ = writeln!(text, "  {what} `{name}` is {shape} in the file, {other} in the program");
            }
            Some(_) => {}
        }
    }
    for (name, shape) in program {
        if !file.iter().any(|(other, _)| other == name) {
            let _ = writeln!(text, "  {what} `{name}` ({shape}) is in the program and not in the file");
        }
    }
    let names = |of: &[Named]| of.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    order(text, &format!("{what}s"), &names(file), &names(program));
}

/// Rows hold fields in order, so the order counts. It is mentioned only where nothing else differs.
fn order(text: &mut String, what: &str, file: &[String], program: &[String]) {
    let sorted = |of: &[String]| {
        let mut of = of.to_vec();
        of.sort();
        of
    };
    if file != program && sorted(file) == sorted(program) {
        let _ = writeln!(
            text,
            "  the {what} stand in the order {} in the file, {} in the program",
            file.join(", "),
            program.join(", ")
        );
    }
}
