//! Names derived from the user's: tables, index constants, and what a raw identifier is called in the file.

use proc_macro2::Ident;
use syn::ext::IdentExt as _;

/// The longest table name in bytes.
pub(crate) const TABLE_NAME_MAX: usize = 255;

/// The name that the file knows: without the `r#` of a raw identifier.
pub(crate) fn plain(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// The table name of a record that gives none: `OrderLine` becomes `order_line`, `HTTPLog` becomes `http_log`.
pub(crate) fn table(record: &Ident) -> String {
    snake(&plain(record))
}

/// The constant of an index: `city_age` and `cityAge` become `CITY_AGE`, with the span of the index's name. None if the letters of the
/// name have upper-case forms that no identifier may hold.
pub(crate) fn constant(index: &Ident) -> Option<Ident> {
    let mut ident = syn::parse_str::<Ident>(&snake(&plain(index)).to_uppercase()).ok()?;
    ident.set_span(index.span());
    Some(ident)
}

/// What is wrong with a table name, if anything.
pub(crate) fn table_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a table needs a name of at least one letter".to_owned());
    }
    if name.len() > TABLE_NAME_MAX {
        return Some(format!("a table name has at most {TABLE_NAME_MAX} bytes, and this one has {}", name.len()));
    }
    name.chars().any(char::is_control).then(|| "a table name holds no control characters".to_owned())
}

/// Words in lower case with underscores between them: before a capital that follows a small letter or a digit, and before the last
/// capital of a run that goes on in small letters.
fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at)).copied();
        let after = letters.get(at + 1).copied();
        let starts_word = letter.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || before.is_numeric()
                    || (before.is_uppercase() && after.is_some_and(char::is_lowercase))
            });
        if starts_word {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}
