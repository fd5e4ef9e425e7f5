//! The items that derives work on, borrowed from syn, with their attributes read and their rules checked.

use proc_macro2::{Ident, Span};
use quote::ToTokens as _;
use std::borrow::Cow;
use syn::{Data, DeriveInput, Fields, Path, Type, Visibility};

use crate::attr;
use crate::ctxt::Ctxt;
use crate::names;
use crate::symbol::Place;
use crate::valid;

/// Where the library is found.
pub(crate) fn library(krate: Option<Path>) -> Path {
    krate.unwrap_or_else(|| Path {
        leading_colon: Some(syn::Token![::](Span::call_site())),
        segments: std::iter::once(syn::PathSegment::from(Ident::new("tamarack", Span::call_site()))).collect(),
    })
}

/// A struct that derives `Record`.
pub(crate) struct Record<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) vis: &'a Visibility,
    pub(crate) krate: Path,
    pub(crate) table: String,
    pub(crate) fields: Vec<Field<'a>>,
    /// Places of the key's fields, in key order.
    pub(crate) key: Vec<usize>,
    pub(crate) auto: bool,
    pub(crate) indexes: Vec<Index>,
}

/// A field of a record.
pub(crate) struct Field<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) attrs: attr::Field,
}

/// An index of a record.
pub(crate) struct Index {
    /// As the user wrote it.
    pub(crate) name: Ident,
    pub(crate) constant: Ident,
    /// Place of the field, and whether it is descending.
    pub(crate) parts: Vec<(usize, bool)>,
    pub(crate) unique: bool,
    pub(crate) each: bool,
}

impl<'a> Record<'a> {
    /// Reads a record. What is wrong goes to `ctxt`; what could be read comes out.
    pub(crate) fn parse(ctxt: &Ctxt, input: &'a DeriveInput) -> Self {
        let attrs = attr::container(ctxt, &input.attrs, Place::Record);
        let mut fields = Vec::new();
        match &input.data {
            Data::Struct(data) => match &data.fields {
                Fields::Named(named) => {
                    for field in &named.named {
                        let Some(ident) = &field.ident else { continue };
                        fields.push(Field { ident, ty: &field.ty, attrs: attr::field(ctxt, &field.attrs) });
                    }
                }
                _ => ctxt.error(&input.ident, format!("a record has named fields: `struct {} {{ .. }}`", input.ident)),
            },
            Data::Enum(_) => ctxt.error(
                &input.ident,
                "a record is a struct with named fields; an enum can be one of its fields: derive `Shape` for it",
            ),
            Data::Union(_) => {
                ctxt.error(&input.ident, "a record is a struct with named fields; a union cannot be stored")
            }
        }
        valid::no_generics(ctxt, "a record", &input.generics);
        fields.iter().for_each(|field| valid::owned(ctxt, field.ty));
        let key = valid::key(ctxt, &input.ident, &fields, attrs.key.as_ref());
        let auto = fields.iter().any(|field| valid::is_auto(field));
        let indexes = valid::indexes(ctxt, &input.ident, &fields, &key, attrs.indexes);
        let table = attrs.table.unwrap_or_else(|| names::table(&input.ident));
        Self { ident: &input.ident, vis: &input.vis, krate: library(attrs.krate), table, fields, key, auto, indexes }
    }
}

/// A struct or an enum that derives `KeyPart` or `Shape`.
pub(crate) struct Part<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) krate: Path,
    pub(crate) tag_width: attr::TagWidth,
    pub(crate) body: Body<'a>,
}

/// What such a type is made of.
pub(crate) enum Body<'a> {
    Struct(Variant<'a>),
    Enum(Vec<Variant<'a>>),
}

/// The fields of a struct or of one variant.
pub(crate) struct Variant<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) tag: u32,
    pub(crate) fields: Vec<Member<'a>>,
    pub(crate) style: Style,
}

/// A field: its name or its number.
pub(crate) struct Member<'a> {
    pub(crate) ident: Option<&'a Ident>,
    pub(crate) name: Cow<'static, str>,
    pub(crate) ty: &'a Type,
}

/// How fields are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Named,
    Tuple,
    Unit,
}

impl<'a> Part<'a> {
    /// Reads a type that derives `KeyPart` or `Shape`; `derive` is which.
    pub(crate) fn parse(ctxt: &Ctxt, input: &'a DeriveInput, derive: &str) -> Self {
        let place = if matches!(input.data, Data::Enum(_)) { Place::Enum } else { Place::Struct };
        let attrs = attr::container(ctxt, &input.attrs, place);
        let body = match &input.data {
            Data::Struct(data) => Body::Struct(Variant::parse(ctxt, &input.ident, 0, &data.fields)),
            Data::Enum(data) => {
                if data.variants.is_empty() {
                    ctxt.error(&input.ident, "an enum without variants has no value that could be stored");
                }
                let mut variants = Vec::new();
                let mut tags = Vec::new();
                for variant in &data.variants {
                    let given = attr::variant(ctxt, &variant.attrs);
                    let tag = given.map_or_else(
                        || tags.last().map_or(0, |(tag, _): &(u32, _)| tag.saturating_add(1)),
                        |(tag, _)| tag,
                    );
                    tags.push((tag, given.map_or_else(|| variant.ident.span(), |(_, span)| span)));
                    if let Some((_, value)) = &variant.discriminant {
                        ctxt.error(
                            value,
                            format!(
                                "a stored enum takes its numbers from `#[record(tag = {})]`, not from `=`",
                                value.to_token_stream()
                            ),
                        );
                    }
                    variants.push(Variant::parse(ctxt, &variant.ident, tag, &variant.fields));
                }
                let wide = derive == "Shape" || attrs.tag_width == Some(attr::TagWidth::Sixteen);
                valid::tags(ctxt, &variants, &tags, if wide { u32::from(u16::MAX) } else { u32::from(u8::MAX) });
                Body::Enum(variants)
            }
            Data::Union(_) => {
                ctxt.error(&input.ident, "a union cannot be stored: nothing says which of its fields is there");
                Body::Enum(Vec::new())
            }
        };
        valid::no_generics(ctxt, &format!("a type that derives `{derive}`"), &input.generics);
        let part = Self {
            ident: &input.ident,
            krate: library(attrs.krate),
            tag_width: attrs.tag_width.unwrap_or_default(),
            body,
        };
        for variant in part.variants() {
            for field in &variant.fields {
                valid::owned(ctxt, field.ty);
                valid::not_recursive(ctxt, &input.ident, field.ty);
            }
        }
        part
    }

    pub(crate) fn variants(&self) -> &[Variant<'a>] {
        match &self.body {
            Body::Struct(fields) => std::slice::from_ref(fields),
            Body::Enum(variants) => variants,
        }
    }
}

impl<'a> Variant<'a> {
    fn parse(ctxt: &Ctxt, ident: &'a Ident, tag: u32, fields: &'a Fields) -> Self {
        let style = match fields {
            Fields::Named(_) => Style::Named,
            Fields::Unnamed(_) => Style::Tuple,
            Fields::Unit => Style::Unit,
        };
        let member = |(at, field): (usize, &'a syn::Field)| {
            attr::none(ctxt, &field.attrs, Place::PartField);
            let ident = field.ident.as_ref();
            let name = ident.map_or_else(|| Cow::Owned(at.to_string()), |ident| Cow::Owned(names::plain(ident)));
            Member { ident, name, ty: &field.ty }
        };
        Self { ident, tag, fields: fields.iter().enumerate().map(member).collect(), style }
    }
}

/// A struct that derives `Schema`.
pub(crate) struct Schema<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) krate: Path,
    pub(crate) records: Vec<&'a Type>,
}

impl<'a> Schema<'a> {
    pub(crate) fn parse(ctxt: &Ctxt, input: &'a DeriveInput) -> Self {
        let attrs = attr::container(ctxt, &input.attrs, Place::Schema);
        let mut records = Vec::new();
        match &input.data {
            Data::Struct(data) if !matches!(data.fields, Fields::Named(_)) => {
                for field in &data.fields {
                    attr::none(ctxt, &field.attrs, Place::SchemaField);
                    valid::owned(ctxt, &field.ty);
                    records.push(&field.ty);
                }
            }
            _ => ctxt.error(
                &input.ident,
                format!("a schema lists its records in a tuple struct: `struct {}(Customer, Order);`", input.ident),
            ),
        }
        valid::no_generics(ctxt, "a schema", &input.generics);
        valid::distinct(ctxt, &records);
        Self { ident: &input.ident, krate: library(attrs.krate), records }
    }
}
