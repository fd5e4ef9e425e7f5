//! The rules between attributes and fields. All that are broken are reported.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Generics, Type};

use crate::ast::{Field, Index, Variant};
use crate::attr;
use crate::ctxt::Ctxt;
use crate::names;
use crate::symbol;

/// Parts that a key or an index can have.
const MOST_PARTS: usize = 8;

/// Stored types are concrete.
pub(crate) fn no_generics(ctxt: &Ctxt, what: &str, generics: &Generics) {
    if !generics.params.is_empty() {
        ctxt.error(
            &generics.params,
            format!("{what} has no lifetimes and no type parameters: the file must know what it holds"),
        );
    }
}

/// Stored types own their data.
pub(crate) fn owned(ctxt: &Ctxt, ty: &Type) {
    if let Type::Reference(reference) = ty {
        let inner = reference.elem.to_token_stream().to_string();
        let instead = match inner.as_str() {
            "str" => "String".to_owned(),
            "[u8]" | "[u8 ]" | "[ u8 ]" => "Vec<u8>".to_owned(),
            _ => inner,
        };
        ctxt.error(ty, format!("what is stored owns its data: write `{instead}` here"));
    }
}

/// Whether a field is marked `key(auto)`.
pub(crate) fn is_auto(field: &Field<'_>) -> bool {
    field.attrs.key.as_ref().is_some_and(|key| key.flag.is_some())
}

/// The places of the primary key's fields.
pub(crate) fn key(
    ctxt: &Ctxt,
    record: &Ident,
    fields: &[Field<'_>],
    named: Option<&(Ident, Vec<Ident>)>,
) -> Vec<usize> {
    let marked: Vec<usize> =
        (0..).zip(fields).filter(|(_, field)| field.attrs.key.is_some()).map(|(at, _)| at).collect();
    let words = || marked.iter().filter_map(|&at| fields.get(at)?.attrs.key.as_ref()).map(|key| &key.word);
    let Some((word, idents)) = named else {
        match marked.as_slice() {
            [] if fields.is_empty() => {}
            [] => ctxt.error(
                record,
                format!("`{record}` has no primary key: mark a field `#[record(key)]`, or name several with `#[record(key(a, b))]` on the struct"),
            ),
            [_] => {}
            [..] => words().for_each(|word| {
                ctxt.error(
                    word,
                    format!("`{record}` has several fields marked `key`: for a key of several fields write `#[record(key(a, b))]` on the struct"),
                );
            }),
        }
        return marked.into_iter().take(1).collect();
    };
    words().for_each(|field| {
        ctxt.error(field, format!("the primary key is given twice: here and by `{word}(..)` on the struct"));
    });
    if idents.is_empty() {
        ctxt.error(word, "name the fields of the primary key: `key(a, b)`");
    }
    let mut places = Vec::new();
    for ident in idents {
        if let Some(place) = find(ctxt, record, fields, ident) {
            if places.contains(&place) {
                ctxt.error(ident, format!("`{ident}` is in the key twice"));
            } else {
                places.push(place);
            }
        }
    }
    too_many(ctxt, word, idents.len());
    for place in &places {
        if let Some(bincode) = fields.get(*place).and_then(|field| field.attrs.bincode.as_ref()) {
            ctxt.error(bincode, "a `bincode` field has no order: it cannot be part of a key");
        }
    }
    places
}

fn too_many(ctxt: &Ctxt, word: &Ident, parts: usize) {
    if parts > MOST_PARTS {
        ctxt.error(word, format!("{parts} parts are too many: at most {MOST_PARTS} are possible"));
    }
}

/// The place of a field by name.
fn find(ctxt: &Ctxt, record: &Ident, fields: &[Field<'_>], ident: &Ident) -> Option<usize> {
    // A keyword that is a field has an `r#` there, and need not have it here.
    let name = names::plain(ident);
    let place = fields.iter().position(|field| names::plain(field.ident) == name);
    if place.is_none() {
        let known: Vec<String> = fields.iter().map(|field| names::plain(field.ident)).collect();
        let hint = match symbol::nearest(&name, &known) {
            Some(nearest) => format!(", did you mean `{nearest}`?"),
            None if known.is_empty() => String::new(),
            None => format!("; it has {}", symbol::list(&known)),
        };
        ctxt.error(ident, format!("no field `{ident}` in `{record}`{hint}"));
    }
    place
}

/// All indexes: those of the struct, then those of its fields.
pub(crate) fn indexes(
    ctxt: &Ctxt,
    record: &Ident,
    fields: &[Field<'_>],
    key: &[usize],
    named: Vec<attr::Index>,
) -> Vec<Index> {
    let mut indexes: Vec<Index> = Vec::new();
    let mut add = |name: &Ident, parts, unique, each| {
        let Some(constant) = names::constant(name) else {
            return ctxt.error(name, format!("`{name}` cannot be made the name of a constant: use ASCII letters"));
        };
        if constant == "PRIMARY" {
            ctxt.error(name, "`primary` is the primary key: give the index another name");
        } else if let Some(other) = indexes.iter().find(|other| other.constant == constant) {
            let other = &other.name;
            ctxt.error(
                name,
                format!("two indexes would both be `{record}::{constant}`: this one and that of `{other}`"),
            );
        } else {
            indexes.push(Index { name: name.clone(), constant, parts, unique, each });
        }
    };
    for index in named {
        let parts = index_parts(ctxt, record, fields, &index);
        too_many(ctxt, &index.name, parts.len());
        if !parts.is_empty() {
            add(&index.name, parts, index.unique, false);
        }
    }
    for (place, field) in (0..).zip(fields) {
        let attrs = &field.attrs;
        field_rules(ctxt, field, key == [place]);
        let each = attrs.index.as_ref().is_some_and(|index| index.flag.is_some());
        if attrs.index.is_some() || attrs.unique.is_some() {
            add(field.ident, vec![(place, false)], attrs.unique.is_some() && !each, each);
        }
    }
    indexes
}

/// What the attributes of one field say about each other.
fn field_rules(ctxt: &Ctxt, field: &Field<'_>, is_key: bool) {
    let attrs = &field.attrs;
    let index = attrs.index.as_ref();
    if let (Some(index), Some(unique)) = (index, &attrs.unique) {
        match index.flag {
            Some(_) => ctxt
                .error(unique, "`each` makes one entry for each element, and a unique index holds one for each record"),
            None => ctxt.error(&index.word, "`unique` makes an index already: leave out `index`"),
        }
    } else if let Some(word) = index.map(|index| &index.word).or(attrs.unique.as_ref())
        && is_key
    {
        ctxt.error(word, "the primary key is a unique index already");
    }
    let word = index.map(|index| &index.word).or(attrs.unique.as_ref()).or(attrs.key.as_ref().map(|key| &key.word));
    if let (Some(bincode), Some(word)) = (&attrs.bincode, word) {
        ctxt.error(bincode, format!("a `bincode` field has no order: `{word}` needs a type that implements `KeyPart`"));
    }
}

/// The places of an index's fields.
fn index_parts(ctxt: &Ctxt, record: &Ident, fields: &[Field<'_>], index: &attr::Index) -> Vec<(usize, bool)> {
    if index.parts.is_empty() {
        ctxt.error(&index.name, format!("the index `{}` has no parts: name its fields", index.name));
    }
    let mut parts = Vec::new();
    for part in &index.parts {
        let Some(place) = find(ctxt, record, fields, &part.field) else { continue };
        let Some(field) = fields.get(place) else { continue };
        if parts.iter().any(|(other, _)| *other == place) {
            ctxt.error(&part.field, format!("`{}` is in the index twice", part.field));
        } else if field.attrs.bincode.is_some() {
            ctxt.error(
                &part.field,
                format!("`{}` is a `bincode` field and has no order: it cannot be part of an index", part.field),
            );
        } else if is_auto(field) {
            ctxt.error(
                &part.field,
                format!("every index entry ends with the primary key already: leave out `{}`", part.field),
            );
        } else {
            parts.push((place, part.desc));
        }
    }
    parts
}

/// Tags are distinct and fit their width.
pub(crate) fn tags(ctxt: &Ctxt, variants: &[Variant<'_>], tags: &[(u32, Span)], most: u32) {
    for (at, (tag, span)) in tags.iter().enumerate() {
        let twin = tags.iter().take(at).position(|(other, _)| other == tag).and_then(|other| variants.get(other));
        if let Some(twin) = twin {
            ctxt.error_at(*span, format!("the tag {tag} belongs to `{}` already", twin.ident));
        } else if *tag > most {
            let hint = if most == u32::from(u8::MAX) {
                ": write `#[record(tag_width = 16)]` on the enum from the start"
            } else {
                ""
            };
            ctxt.error_at(*span, format!("the tag {tag} is above {most}{hint}"));
        }
    }
}

/// The records of a schema are distinct.
pub(crate) fn distinct(ctxt: &Ctxt, records: &[&Type]) {
    let text = |ty: &Type| ty.to_token_stream().to_string();
    for (at, record) in records.iter().enumerate() {
        if records.iter().take(at).any(|other| text(other) == text(record)) {
            ctxt.error(record, format!("`{}` is listed twice", text(record)));
        }
    }
}

/// A descriptor lists what a type holds, and one that holds itself has no end. Only a direct mention can be seen here; opening the
/// database finds the others.
pub(crate) fn not_recursive(ctxt: &Ctxt, ident: &Ident, ty: &Type) {
    fn mentions(tokens: TokenStream, ident: &Ident) -> bool {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        (0..).zip(&tokens).any(|(at, token)| match token {
            TokenTree::Ident(other) => (other == ident || other == "Self") && !is_elsewhere(tokens.get(..at)),
            TokenTree::Group(group) => mentions(group.stream(), ident),
            _ => false,
        })
    }
    if mentions(ty.to_token_stream(), ident) {
        ctxt.error(
            ty,
            format!("`{ident}` holds itself: its shape would have no end; keep the inner ones in a table of their own"),
        );
    }
}

/// Whether a name behind these tokens is another module's: `v1::Name`, but not `self::Name`.
fn is_elsewhere(before: Option<&[TokenTree]>) -> bool {
    let colon = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':');
    match before {
        Some([path @ .., first, second]) if colon(first) && colon(second) => {
            !matches!(path.last(), Some(TokenTree::Ident(module)) if module == "self")
        }
        _ => false,
    }
}
