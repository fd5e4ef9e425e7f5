//! From items to code. Each derive has its file; what they share is here.

mod key;
mod record;
mod schema;
mod shape;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::DeriveInput;

use crate::ast::{Member, Part, Record, Schema, Style, Variant};
use crate::ctxt;

/// Expands with what could be read, and puts the errors beside it: an implementation comes out in any case, so that one mistake does not
/// become a second error wherever the type is used.
fn finish(expanded: TokenStream, errors: Option<syn::Error>) -> TokenStream {
    let errors = errors.map(|errors| errors.to_compile_error());
    quote! { #expanded #errors }
}

pub(crate) fn record(input: &DeriveInput) -> TokenStream {
    let (expanded, errors) = ctxt::collect(|ctxt| {
        let record = Record::parse(ctxt, input);
        if ctxt.failed() { record::fallback(&record, &input.generics) } else { record::expand(&record) }
    });
    finish(expanded, errors)
}

pub(crate) fn key_part(input: &DeriveInput) -> TokenStream {
    let (expanded, errors) = ctxt::collect(|ctxt| {
        let part = Part::parse(ctxt, input, "KeyPart");
        if ctxt.failed() { key::fallback(&part, &input.generics) } else { key::expand(&part) }
    });
    finish(expanded, errors)
}

pub(crate) fn shape(input: &DeriveInput) -> TokenStream {
    let (expanded, errors) = ctxt::collect(|ctxt| {
        let part = Part::parse(ctxt, input, "Shape");
        if ctxt.failed() { shape::fallback(&part, &input.generics) } else { shape::expand(&part) }
    });
    finish(expanded, errors)
}

pub(crate) fn schema(input: &DeriveInput) -> TokenStream {
    let (expanded, errors) = ctxt::collect(|ctxt| {
        let schema = Schema::parse(ctxt, input);
        if ctxt.failed() { schema::fallback(&schema, &input.generics) } else { schema::expand(&schema) }
    });
    finish(expanded, errors)
}

/// A local name of generated code, which no name of the user can meet. The span alone keeps apart locals and locals only: where a unit
/// struct or a constant of the name is in scope, a pattern means that.
fn local(name: &str) -> Ident {
    Ident::new(&format!("__{name}"), Span::mixed_site())
}

/// The local name of the field at a place.
fn local_at(place: usize) -> Ident {
    local(&format!("field_{place}"))
}

/// `Path { a: field_0, .. }`, `Path(field_0, ..)` or `Path`: as a pattern and as an expression.
fn braced(path: &TokenStream, variant: &Variant<'_>) -> TokenStream {
    let locals = (0..variant.fields.len()).map(local_at);
    match variant.style {
        Style::Named => {
            let names = variant.fields.iter().map(|field: &Member<'_>| field.ident);
            quote! { #path { #(#names: #locals),* } }
        }
        Style::Tuple => quote! { #path(#(#locals),*) },
        Style::Unit => quote! { #path },
    }
}
