//! Golden expansions, made in this process and compared as formatted code; and the words.
//!
//! `TAMARACK_BLESS=1 cargo test -p tamarack-macros` writes `golden/*.expanded.rs` anew.

use std::path::Path;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::expand;
use crate::symbol;

fn formatted(tokens: TokenStream) -> String {
    prettyplease::unparse(&syn::parse2(tokens).unwrap())
}

#[expect(clippy::disallowed_methods, reason = "golden files are no databases")]
fn compare(name: &str, derive: fn(&DeriveInput) -> TokenStream) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let input = std::fs::read_to_string(folder.join(format!("{name}.rs"))).unwrap();
    let actual = formatted(derive(&syn::parse_str(&input).unwrap()));
    let golden = folder.join(format!("{name}.expanded.rs"));
    if std::env::var_os("TAMARACK_BLESS").is_some() {
        std::fs::write(&golden, &actual).unwrap();
    }
    let golden = std::fs::read_to_string(&golden).unwrap();
    for (at, (golden, actual)) in golden.lines().zip(actual.lines()).enumerate() {
        assert_eq!(golden, actual, "{name}, line {}", at + 1);
    }
    assert_eq!(golden.lines().count(), actual.lines().count(), "{name}");
}

#[test]
fn record_with_every_kind_of_index() {
    compare("customer", expand::record);
}

#[test]
fn record_with_a_compound_key() {
    compare("seat", expand::record);
}

#[test]
fn record_with_a_mistake_still_has_an_implementation() {
    compare("faulty", expand::record);
}

#[test]
fn key_part_struct() {
    compare("place", expand::key_part);
}

#[test]
fn key_part_enum() {
    compare("status", expand::key_part);
}

#[test]
fn shape_struct() {
    compare("line", expand::shape);
}

#[test]
fn shape_enum() {
    compare("payment", expand::shape);
}

#[test]
fn schema() {
    compare("shop", expand::schema);
}

fn errors(derive: fn(&DeriveInput) -> TokenStream, input: &str) -> Vec<String> {
    let expanded = derive(&syn::parse_str(input).unwrap()).to_string();
    let mut texts = Vec::new();
    for part in expanded.split("compile_error").skip(1) {
        let text = part.split('"').nth(1).unwrap_or_default();
        texts.push(text.to_owned());
    }
    texts
}

#[test]
fn all_mistakes_at_once() {
    let found = errors(
        expand::record,
        "#[record(tabel = \"x\", index(by = (agee, name)), index(by = (age)))]
         struct Customer { #[record(uniqe)] name: String, #[record(index, index)] age: u16, #[record(unique, index(each))] tags: Vec<String> }",
    );
    let wanted = ["tabel", "uniqe", "twice", "no primary key", "agee", "both be", "each"];
    for word in wanted {
        assert!(found.iter().any(|text| text.contains(word)), "{word} in {found:#?}");
    }
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
}

#[test]
fn nearest_words() {
    assert_eq!(symbol::nearest("uniqe", &["unique", "index"]), Some("unique"));
    assert_eq!(symbol::nearest("idnex", &["unique", "index"]), Some("index"));
    assert_eq!(symbol::nearest("table", &["unique", "index"]), None);
    assert_eq!(symbol::nearest("a", &["b"]), None);
}

#[test]
fn names() {
    use proc_macro2::{Ident, Span};
    let table = |name: &str| crate::names::table(&Ident::new(name, Span::call_site()));
    assert_eq!(table("OrderLine"), "order_line");
    assert_eq!(table("HTTPLog"), "http_log");
    assert_eq!(table("V2"), "v2");
}
