//! The grammar of `#[record(..)]`: one function for each place where it can stand. Reading goes on after a mistake, at the next comma.

use proc_macro2::{Ident, Span, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{Parse as _, ParseStream};
use syn::{Attribute, LitInt, LitStr, Meta, Path, Token, parenthesized, token};

use crate::ctxt::Ctxt;
use crate::names;
use crate::symbol::{self, Place};

/// What stands on a struct or an enum, or on a record.
#[derive(Default)]
pub(crate) struct Container {
    /// `crate = ".."`.
    pub(crate) krate: Option<Path>,
    /// `table = ".."`.
    pub(crate) table: Option<String>,
    /// `key(a, b)`: the word and the fields.
    pub(crate) key: Option<(Ident, Vec<Ident>)>,
    /// `index(name = (a, desc b), unique)`, in order.
    pub(crate) indexes: Vec<Index>,
    /// `tag_width = 16`.
    pub(crate) tag_width: Option<TagWidth>,
}

/// The width of an enum's tag in keys.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum TagWidth {
    #[default]
    Eight,
    Sixteen,
}

/// One `index(..)` on a record.
pub(crate) struct Index {
    /// Its name.
    pub(crate) name: Ident,
    /// Its parts, first to last.
    pub(crate) parts: Vec<Part>,
    /// Whether `unique` was given.
    pub(crate) unique: bool,
}

/// One part of an index: `city` or `desc city`.
pub(crate) struct Part {
    /// The field named.
    pub(crate) field: Ident,
    /// Whether `desc` was given.
    pub(crate) desc: bool,
}

/// What stands on a field of a record. Each holds the word itself, for messages.
#[derive(Default)]
pub(crate) struct Field {
    /// `key`, `key(auto)`.
    pub(crate) key: Option<Flagged>,
    /// `index`, `index(each)`.
    pub(crate) index: Option<Flagged>,
    /// `unique`.
    pub(crate) unique: Option<Ident>,
    /// `bincode`.
    pub(crate) bincode: Option<Ident>,
}

/// A word that stands alone or with one flag in parentheses.
pub(crate) struct Flagged {
    /// The word.
    pub(crate) word: Ident,
    /// The flag, if given.
    pub(crate) flag: Option<Ident>,
}

/// Reads the attributes of a struct or an enum.
pub(crate) fn container(ctxt: &Ctxt, attrs: &[Attribute], place: Place) -> Container {
    let mut out = Container::default();
    words(ctxt, attrs, place, |word, input| match word.to_string().as_str() {
        symbol::CRATE => set(ctxt, &mut out.krate, word, krate(input)?),
        symbol::TABLE => set(ctxt, &mut out.table, word, table(input)?),
        symbol::KEY => {
            let fields = key_fields(ctxt, word, input)?;
            set(ctxt, &mut out.key, word, (word.clone(), fields))
        }
        symbol::INDEX => {
            out.indexes.extend(index(ctxt, word, input)?);
            Ok(())
        }
        _ => set(ctxt, &mut out.tag_width, word, tag_width(input)?),
    });
    out
}

/// Reads the attributes of a record's field.
pub(crate) fn field(ctxt: &Ctxt, attrs: &[Attribute]) -> Field {
    let mut out = Field::default();
    words(ctxt, attrs, Place::RecordField, |word, input| match word.to_string().as_str() {
        symbol::KEY => set(ctxt, &mut out.key, word, flagged(ctxt, word, symbol::AUTO, input)?),
        symbol::INDEX => set(ctxt, &mut out.index, word, flagged(ctxt, word, symbol::EACH, input)?),
        symbol::UNIQUE => set(ctxt, &mut out.unique, word, alone(word, input)?),
        _ => set(ctxt, &mut out.bincode, word, alone(word, input)?),
    });
    out
}

/// Reads the attributes of a variant: the tag, if one is given, with its place.
pub(crate) fn variant(ctxt: &Ctxt, attrs: &[Attribute]) -> Option<(u32, Span)> {
    let mut out = None;
    words(ctxt, attrs, Place::Variant, |word, input| {
        let literal = value(input, "`tag` takes a number: `tag = 3`", <LitInt as syn::parse::Parse>::parse)?;
        set(ctxt, &mut out, word, (literal.base10_parse()?, literal.span()))
    });
    out
}

/// Reports every word on something that takes none.
pub(crate) fn none(ctxt: &Ctxt, attrs: &[Attribute], place: Place) {
    words(ctxt, attrs, place, |_, _| Ok(()));
}

/// Calls `read` for each accepted word in the `#[record(..)]` attributes; all other words are errors. After an error of `read`, goes on
/// behind the next comma.
fn words(
    ctxt: &Ctxt,
    attrs: &[Attribute],
    place: Place,
    mut read: impl FnMut(&Ident, ParseStream<'_>) -> syn::Result<()>,
) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("record")) {
        let Meta::List(list) = &attr.meta else {
            ctxt.error(&attr.meta, "write the words in parentheses: `#[record(..)]`");
            continue;
        };
        let parsed = list.parse_args_with(|input: ParseStream<'_>| {
            items(ctxt, input, |word, input| {
                if place.words().contains(&word.to_string().as_str()) {
                    read(word, input)
                } else {
                    skip(input)?;
                    Err(syn::Error::new(word.span(), symbol::refusal(place, &names::plain(word))))
                }
            });
            Ok(())
        });
        if let Err(error) = parsed {
            ctxt.push(error);
        }
    }
}

/// Reads words separated by commas to the end of `input`, each with what follows it.
fn items(ctxt: &Ctxt, input: ParseStream<'_>, mut read: impl FnMut(&Ident, ParseStream<'_>) -> syn::Result<()>) {
    while !input.is_empty() {
        let item = input.call(Ident::parse_any).and_then(|word| {
            read(&word, input)?;
            if input.is_empty() || input.peek(Token![,]) {
                Ok(())
            } else {
                Err(input.error(format!("expected a comma after `{word}`")))
            }
        });
        if let Err(error) = item {
            ctxt.push(error);
        }
        // Neither can fail here: the loop ends where the input does.
        let _ = skip(input);
        let _ = input.parse::<Option<Token![,]>>();
    }
}

/// Passes over everything up to the next comma.
fn skip(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        TokenTree::parse(input)?;
    }
    Ok(())
}

/// Stores a value; a second one is an error on its word.
fn set<T>(ctxt: &Ctxt, slot: &mut Option<T>, word: &Ident, value: T) -> syn::Result<()> {
    if slot.is_some() {
        ctxt.error(word, format!("`{word}` is given twice"));
    } else {
        *slot = Some(value);
    }
    Ok(())
}

/// Reads `= value`; `usage` is the message if either is something else.
fn value<T>(input: ParseStream<'_>, usage: &str, parse: fn(ParseStream<'_>) -> syn::Result<T>) -> syn::Result<T> {
    input.parse::<Token![=]>().and_then(|_| parse(input)).map_err(|error| syn::Error::new(error.span(), usage))
}

fn krate(input: ParseStream<'_>) -> syn::Result<Path> {
    const USAGE: &str = "`crate` takes the path of the library as text: `crate = \"store\"`";
    let literal = value(input, USAGE, <LitStr as syn::parse::Parse>::parse)?;
    literal.parse_with(Path::parse_mod_style).map_err(|_| syn::Error::new(literal.span(), USAGE))
}

fn table(input: ParseStream<'_>) -> syn::Result<String> {
    let literal =
        value(input, "`table` takes a name as text: `table = \"customers\"`", <LitStr as syn::parse::Parse>::parse)?;
    match names::table_fault(&literal.value()) {
        Some(fault) => Err(syn::Error::new(literal.span(), fault)),
        None => Ok(literal.value()),
    }
}

fn tag_width(input: ParseStream<'_>) -> syn::Result<TagWidth> {
    const USAGE: &str = "`tag_width` is 8 or 16: `tag_width = 16`";
    let literal = value(input, USAGE, <LitInt as syn::parse::Parse>::parse)?;
    match literal.base10_parse() {
        Ok(8) => Ok(TagWidth::Eight),
        Ok(16) => Ok(TagWidth::Sixteen),
        _ => Err(syn::Error::new(literal.span(), USAGE)),
    }
}

/// Reads a word that takes nothing.
fn alone(word: &Ident, input: ParseStream<'_>) -> syn::Result<Ident> {
    if input.is_empty() || input.peek(Token![,]) {
        Ok(word.clone())
    } else {
        Err(input.error(format!("`{word}` stands alone")))
    }
}

/// Reads `word` or `word(flag)`.
fn flagged(ctxt: &Ctxt, word: &Ident, flag: &str, input: ParseStream<'_>) -> syn::Result<Flagged> {
    let mut out = Flagged { word: word.clone(), flag: None };
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(out);
    }
    if !input.peek(token::Paren) {
        return Err(input.error(format!("write `{word}` or `{word}({flag})`")));
    }
    let inside;
    parenthesized!(inside in input);
    items(ctxt, &inside, |found, input| {
        if found == flag {
            set(ctxt, &mut out.flag, found, alone(found, input)?)
        } else {
            skip(input)?;
            Err(syn::Error::new(found.span(), format!("on a field, write `{word}` or `{word}({flag})`")))
        }
    });
    Ok(out)
}

/// Reads the fields of `key(a, b)` on a record.
fn key_fields(ctxt: &Ctxt, word: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    if !input.peek(token::Paren) {
        let message = "on a record, `key` names the fields of the primary key: `key(country, code)`";
        return Err(syn::Error::new(word.span(), message));
    }
    let inside;
    parenthesized!(inside in input);
    let mut fields = Vec::new();
    for part in parts(ctxt, &inside) {
        if part.desc {
            let message = format!("a primary key has no `desc`: give the field `{}` the type `Desc<..>`", part.field);
            ctxt.error(&part.field, message);
        }
        fields.push(part.field);
    }
    Ok(fields)
}

/// Reads `(name = (a, desc b), unique)` behind `index` on a record. None if the name or the parts are missing, which is reported.
fn index(ctxt: &Ctxt, word: &Ident, input: ParseStream<'_>) -> syn::Result<Option<Index>> {
    const USAGE: &str = "on a record, an index has a name and its fields: `index(city_age = (city, desc age))`";
    if !input.peek(token::Paren) {
        return Err(syn::Error::new(word.span(), USAGE));
    }
    let inside;
    parenthesized!(inside in input);
    let mut named: Option<(Ident, Vec<Part>)> = None;
    let mut unique = None;
    let mut faulty = false;
    items(ctxt, &inside, |found, input| {
        if found == symbol::UNIQUE && !input.peek(Token![=]) {
            return set(ctxt, &mut unique, found, alone(found, input)?);
        }
        faulty = true;
        if !input.peek(Token![=]) {
            skip(input)?;
            let message = format!(
                "{}; write `{found} = (..)` to name an index",
                symbol::unknown(&found.to_string(), &[symbol::UNIQUE])
            );
            return Err(syn::Error::new(found.span(), message));
        }
        input.parse::<Token![=]>()?;
        if !input.peek(token::Paren) {
            return Err(input.error(format!("write the fields in parentheses: `{found} = (city, desc age)`")));
        }
        let inside;
        parenthesized!(inside in input);
        if named.is_some() {
            return Err(syn::Error::new(found.span(), "one `index(..)` makes one index: write another for this one"));
        }
        faulty = false;
        named = Some((found.clone(), parts(ctxt, &inside)));
        Ok(())
    });
    if named.is_none() && !faulty {
        ctxt.error(word, USAGE);
    }
    Ok(named.map(|(name, parts)| Index { name, parts, unique: unique.is_some() }))
}

/// Reads fields separated by commas, each with `desc` before it or not.
fn parts(ctxt: &Ctxt, input: ParseStream<'_>) -> Vec<Part> {
    let mut out = Vec::new();
    items(ctxt, input, |word, input| {
        let (field, desc) = if word == symbol::DESC && input.peek(Ident::peek_any) {
            (input.call(Ident::parse_any)?, true)
        } else {
            (word.clone(), false)
        };
        let dotted = input.peek(Token![.]);
        if dotted {
            let message = format!("an index part is a field of the record itself: `{field}`");
            skip(input)?;
            return Err(syn::Error::new(field.span(), message));
        }
        out.push(Part { field, desc });
        Ok(())
    });
    out
}
