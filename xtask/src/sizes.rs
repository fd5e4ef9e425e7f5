//! `cargo xtask sizes`: long files and long functions, each with its reason.

use crate::{Result, run, source};
use std::{collections::BTreeMap, fs};
use syn::{
    Block, ImplItemFn, ItemFn, ItemImpl, ItemMod, ItemTrait, Signature, TraitItemFn, Type,
    visit::{self, Visit},
};

/// Lines of a file above which it needs a reason.
const FILE: usize = 600;
/// Lines of a function above which it needs a reason.
const FUNCTION: usize = 60;
/// The reasons: `path: reason` or `path function: reason`, one a line.
const REASONS: &str = "xtask/sizes.txt";

/// Lists what is long and fails if a reason is missing.
pub(crate) fn check() -> Result {
    let listed = fs::read_to_string(run::root().join(REASONS))?;
    let mut reasons = parse(&listed)?;
    let mut missing = 0;
    for source in source::all()? {
        for (name, lines) in long(&source.path, &source.text)? {
            let reason = reasons.remove(name.as_str());
            missing += usize::from(reason.is_none());
            println!("{lines:5} {name}: {}", reason.unwrap_or("NO REASON"));
        }
    }
    for name in reasons.keys() {
        println!("      {name}: is no longer long, take it out of {REASONS}");
    }
    match (missing, reasons.len()) {
        (0, 0) => Ok(()),
        (0, stale) => Err(format!("{stale} lines of {REASONS} are out of date").into()),
        (missing, _) => Err(format!("{missing} long files or functions without a reason in {REASONS}").into()),
    }
}

fn parse(text: &str) -> Result<BTreeMap<&str, &str>> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pairs = lines.map(|line| line.split_once(": ").ok_or_else(|| format!("{REASONS}: no reason in `{line}`")));
    Ok(pairs.collect::<Result<_, _>>()?)
}

/// The file and its functions that are above the limits, with their lines.
fn long(path: &str, text: &str) -> Result<Vec<(String, usize)>> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > FILE {
        found.push((path.to_owned(), lines));
    }
    let file = syn::parse_file(text).map_err(|error| format!("{path}:{}: {error}", error.span().start().line))?;
    let mut functions = Functions { scope: Vec::new(), found: Vec::new() };
    functions.visit_file(&file);
    found.extend(functions.found.into_iter().map(|(name, lines)| (format!("{path} {name}"), lines)));
    Ok(found)
}

struct Functions {
    scope: Vec<String>,
    found: Vec<(String, usize)>,
}

impl Functions {
    fn within(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.scope.push(name);
        visit(self);
        self.scope.pop();
    }

    /// From the signature to the closing brace: attributes and documentation do not count.
    fn function(&mut self, signature: &Signature, block: &Block, visit: impl FnOnce(&mut Self)) {
        let end = block.brace_token.span.close().end().line;
        let lines = end + 1 - signature.fn_token.span.start().line;
        self.within(signature.ident.to_string(), |functions| {
            if lines > FUNCTION {
                functions.found.push((functions.scope.join("::"), lines));
            }
            visit(functions);
        });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.function(&item.sig, &item.block, |functions| visit::visit_item_fn(functions, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.function(&item.sig, &item.block, |functions| visit::visit_impl_item_fn(functions, item));
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block, |functions| visit::visit_trait_item_fn(functions, item));
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let name = match &*item.self_ty {
            Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
            _ => None,
        };
        self.within(name.unwrap_or_else(|| "impl".to_owned()), |functions| visit::visit_item_impl(functions, item));
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.within(item.ident.to_string(), |functions| visit::visit_item_trait(functions, item));
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.within(item.ident.to_string(), |functions| visit::visit_item_mod(functions, item));
    }
}

#[cfg(test)]
mod tests {
    use super::{long, parse};

    #[test]
    fn finds_long_functions_by_their_path() {
        let body = "    f();\n".repeat(59);
        let short = format!("impl A {{\n/// Text.\n#[inline]\nfn b() {{\n{}}}\n}}\n", "    f();\n".repeat(58));
        assert_eq!(long("x.rs", &short).unwrap(), []);
        let text = format!("mod m {{ impl A<u8> {{\nfn b() {{\n{body}}}\n}} }}\n");
        assert_eq!(long("x.rs", &text).unwrap(), [("x.rs m::A::b".to_owned(), 61)]);
    }

    #[test]
    fn finds_long_files() {
        assert_eq!(long("x.rs", &"\n".repeat(601)).unwrap(), [("x.rs".to_owned(), 601)]);
    }

    #[test]
    fn a_line_without_a_reason_is_an_error() {
        assert!(parse("x.rs\n").is_err());
        assert_eq!(parse("# note\nx.rs f: table\n").unwrap().get("x.rs f"), Some(&"table"));
    }
}
