//! The compile-fail suite: every message a user can meet, reviewed as prose. One mistake a file, in folders by topic.
//!
//! `TRYBUILD=overwrite cargo test -p tamarack-tests --test ui` writes the messages anew; read the diff.

#![allow(clippy::disallowed_methods, reason = "tests use files and threads as programs do")]

#[test]
fn messages() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    for topic in ["attr", "index", "key", "query", "schema", "shape", "transaction"] {
        cases.compile_fail(format!("ui/{topic}/*.rs"));
    }
}
