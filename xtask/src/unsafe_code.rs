//! `cargo xtask unsafe`: the keyword stands only where the design allows it.

use crate::{Result, source};
use proc_macro2::{TokenStream, TokenTree};
use std::str::FromStr;

/// Where `unsafe` may stand, and why.
const ALLOWED: [(&str, &str); 4] = [
    ("store/src/buffer/", "frames, swips and epochs: the one unsafe layer of the engine"),
    ("benches/src/engines/lmdb.rs", "a peer's C library; not part of any published crate"),
    ("benches/src/bin/memory/lmdb.rs", "the same"),
    ("hostile/src/bin/flip/stores/lmdb.rs", "the same"),
];

/// Lists every use outside the allowed places and fails if there is one.
pub(crate) fn check() -> Result {
    let mut outside = 0;
    let mut inside = [0_usize; ALLOWED.len()];
    for source in source::all()? {
        let lines = keywords(&source.text).map_err(|error| format!("{}: {error}", source.path))?;
        let place = ALLOWED.iter().position(|(prefix, _)| source.path.starts_with(prefix));
        match place.and_then(|place| inside.get_mut(place)) {
            Some(count) => *count += lines.len(),
            None => {
                outside += lines.len();
                for line in lines {
                    println!("{}:{line}: unsafe", source.path);
                }
            }
        }
    }
    for ((place, reason), count) in ALLOWED.iter().zip(inside) {
        println!("{count:3} in {place} ({reason})");
    }
    println!("{outside:3} elsewhere");
    if outside == 0 { Ok(()) } else { Err("`unsafe` stands outside its modules".into()) }
}

/// Lines with the keyword. Comments, strings and words such as `unsafe_code` are other tokens.
fn keywords(text: &str) -> Result<Vec<usize>, proc_macro2::LexError> {
    let mut lines = Vec::new();
    walk(TokenStream::from_str(text)?, &mut lines);
    Ok(lines)
}

fn walk(tokens: TokenStream, lines: &mut Vec<usize>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => walk(group.stream(), lines),
            TokenTree::Ident(word) if word == "unsafe" => lines.push(word.span().start().line),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::keywords;

    #[test]
    fn only_the_keyword_counts() {
        let text = "#![forbid(unsafe_code)]\n// unsafe\n/* unsafe */\n/// unsafe\nconst A: &str = \"unsafe\";\nfn f() { r#if(unsafe { g() }) }";
        assert_eq!(keywords(text).unwrap(), [6]);
    }
}
