//! `derive(Record)`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Generics, Type};

use super::{local, local_at};
use crate::ast::{Field, Index, Record};
use crate::names;

/// The implementation and the index constants.
pub(super) fn expand(record: &Record<'_>) -> TokenStream {
    let krate = &record.krate;
    let private = quote! { #krate::__private };
    let ident = record.ident;
    let head = head(record, &private);
    let definition = definition(record, &private);
    let keys = keys(record, &private);
    let rows = rows(record, &private);
    let entries = entries(record, &private);
    let constants = constants(record, &private);
    quote! {
        const _: () = {
            #[automatically_derived]
            impl #private::Record for #ident {
                #head
                #definition
                #keys
                #rows
                #entries
            }

            #constants
        };
    }
}

/// What comes out for a faulty record: enough for code that uses it to be checked.
pub(super) fn fallback(record: &Record<'_>, generics: &Generics) -> TokenStream {
    let krate = &record.krate;
    let private = quote! { #krate::__private };
    let ident = record.ident;
    let (imp, ty, whole) = generics.split_for_impl();
    if !generics.params.is_empty() {
        return TokenStream::new();
    }
    // A borrowed key is reported already.
    let borrowed = key_types(record).iter().any(|ty| matches!(ty, Type::Reference(_)));
    let head = if record.key.is_empty() || borrowed {
        quote! { type Key = (); type KeyParts = ((),); }
    } else {
        head(record, &private)
    };
    let constants = constants(record, &private);
    quote! {
        const _: () = {
            #[automatically_derived]
            impl #imp #private::Record for #ident #ty #whole {
                #head
                fn definition() -> #private::RecordDef { #private::core::unreachable!() }
                fn key(&self) -> Self::Key { #private::core::unreachable!() }
                fn encode_key(&self, _: &mut #private::KeyBuf) {}
                fn encode_row(
                    &self,
                    _: &mut #private::RowWriter<'_>,
                ) -> #private::core::result::Result<(), #private::EncodeError> {
                    #private::core::unreachable!()
                }
                fn decode_row(
                    _: Self::Key,
                    _: &mut #private::RowReader<'_>,
                ) -> #private::core::result::Result<Self, #private::DecodeError> {
                    #private::core::unreachable!()
                }
                fn index_entries(&self, _: #private::core::primitive::usize, _: &mut #private::IndexSink<'_>) {}
            }

            #constants
        };
    }
}

fn field<'a, 'b>(record: &'b Record<'a>, place: usize) -> impl Iterator<Item = &'b Field<'a>> {
    record.fields.get(place).into_iter()
}

fn key_types<'a>(record: &'a Record<'_>) -> Vec<&'a Type> {
    record.key.iter().flat_map(|&place| field(record, place)).map(|field| field.ty).collect()
}

fn head(record: &Record<'_>, private: &TokenStream) -> TokenStream {
    let types = key_types(record);
    let key = match types.as_slice() {
        [one] => quote! { #one },
        several => quote! { (#(#several,)*) },
    };
    let auto = record.auto.then(|| {
        quote! {
            const AUTO: #private::core::primitive::bool = {
                #(<#types as #private::AutoKey<Self>>::ASSIGNABLE;)*
                true
            };
        }
    });
    quote! {
        type Key = #key;
        type KeyParts = (#(#types,)*);
        #auto
    }
}

fn definition(record: &Record<'_>, private: &TokenStream) -> TokenStream {
    let (name, table) = (names::plain(record.ident), &record.table);
    let keys = record.key.iter().flat_map(|&place| field(record, place)).map(|field| names::plain(field.ident));
    let fields = stored(record).map(|(_, field)| {
        let (name, ty) = (names::plain(field.ident), field.ty);
        match field.attrs.bincode {
            Some(_) => quote! { .field(#name, #private::ShapeDef::Opaque) },
            None => quote! { .field(#name, <#ty as #private::Shape>::describe()) },
        }
    });
    let indexes = record.indexes.iter().map(|index| index_def(record, private, index));
    quote! {
        fn definition() -> #private::RecordDef {
            #private::RecordDef::new::<Self>(#name, #table, &[#(#keys),*]) #(#fields)* #(#indexes)*
        }
    }
}

fn index_def(record: &Record<'_>, private: &TokenStream, index: &Index) -> TokenStream {
    let name = names::plain(&index.name);
    let unique = index.unique.then(|| quote! { .unique() });
    let parts = index.parts.iter().flat_map(|&(place, desc)| field(record, place).map(move |field| (field, desc)));
    let parts = parts.map(|(field, desc)| {
        let (name, ty) = (names::plain(field.ident), field.ty);
        match (index.each, desc) {
            (true, _) => {
                let element = element(ty, private);
                let describe = quote_spanned! { ty.span() => <#element as #private::KeyPart>::describe() };
                quote! { .each(#name, #describe) }
            }
            (_, true) => quote! { .part_desc(#name, <#ty as #private::KeyPart>::describe()) },
            (_, false) => quote! { .part(#name, <#ty as #private::KeyPart>::describe()) },
        }
    });
    quote! { .index(#private::IndexDef::new(#name) #unique #(#parts)*) }
}

/// The element type of a field, at the field's type: that is where an error about it belongs.
fn element(ty: &Type, private: &TokenStream) -> TokenStream {
    quote_spanned! { ty.span() => <#ty as #private::Each>::Element }
}

fn keys(record: &Record<'_>, private: &TokenStream) -> TokenStream {
    let out = local("out");
    let fields: Vec<&Field<'_>> = record.key.iter().flat_map(|&place| field(record, place)).collect();
    let idents: Vec<_> = fields.iter().map(|field| field.ident).collect();
    let (key, encode) = match (idents.as_slice(), fields.as_slice()) {
        ([one], _) => (
            quote! { #private::core::clone::Clone::clone(&self.#one) },
            quote! { #private::encode_single_key::<Self>(&self.#one, #out) },
        ),
        (_, [first @ .., last]) => {
            let parts = first.iter().map(|field| {
                let (ident, ty) = (field.ident, field.ty);
                quote! { <#ty as #private::KeyPart>::encode(&self.#ident, #out); }
            });
            let (ident, ty) = (last.ident, last.ty);
            (
                quote! { (#(#private::core::clone::Clone::clone(&self.#idents),)*) },
                quote! { #(#parts)* <#ty as #private::KeyPart>::encode_last(&self.#ident, #out) },
            )
        }
        _ => (TokenStream::new(), TokenStream::new()),
    };
    quote! {
        fn key(&self) -> Self::Key {
            #key
        }

        fn encode_key(&self, #out: &mut #private::KeyBuf) {
            #encode
        }
    }
}

/// The fields that rows hold, with their places.
fn stored<'a, 'b>(record: &'b Record<'a>) -> impl Iterator<Item = (usize, &'b Field<'a>)> {
    (0..).zip(&record.fields).filter(|(place, _)| !record.key.contains(place))
}

fn rows(record: &Record<'_>, private: &TokenStream) -> TokenStream {
    let (row, key) = (local("row"), local("key"));
    let shaped = || stored(record).filter(|(_, field)| field.attrs.bincode.is_none());
    let write_fixed = shaped().map(|(_, field)| {
        let (ident, ty) = (field.ident, field.ty);
        quote! { <#ty as #private::Shape>::write_fixed(&self.#ident, #row); }
    });
    let write_variable = stored(record).map(|(_, field)| {
        let (ident, ty) = (field.ident, field.ty);
        match field.attrs.bincode {
            Some(_) => quote! { #row.opaque::<#ty>(&self.#ident)?; },
            None => quote! { <#ty as #private::Shape>::write_variable(&self.#ident, #row); },
        }
    });
    let read_fixed = shaped().map(|(place, field)| {
        let (value, name, ty) = (local_at(place), names::plain(field.ident), field.ty);
        quote! { let #value = <#ty as #private::Shape>::read_fixed(#row, #name)?; }
    });
    let read_variable = stored(record).map(|(place, field)| {
        let (value, name, ty) = (local_at(place), names::plain(field.ident), field.ty);
        match field.attrs.bincode {
            Some(_) => quote! { let #value = #row.opaque::<#ty>(#name)?; },
            None => quote! { let #value = <#ty as #private::Shape>::read_variable(#row, #name, #value)?; },
        }
    });
    let key_locals: Vec<_> = record.key.iter().map(|&place| local_at(place)).collect();
    let take_key = match key_locals.as_slice() {
        [one] => quote! { let #one = #key; },
        several => quote! { let (#(#several,)*) = #key; },
    };
    let inits = (0..).zip(&record.fields).map(|(place, field)| {
        let (ident, value) = (field.ident, local_at(place));
        quote! { #ident: #value }
    });
    quote! {
        #[allow(unused_variables)]
        fn encode_row(
            &self,
            #row: &mut #private::RowWriter<'_>,
        ) -> #private::core::result::Result<(), #private::EncodeError> {
            #(#write_fixed)*
            #(#write_variable)*
            #private::core::result::Result::Ok(())
        }

        #[allow(unused_variables)]
        fn decode_row(
            #key: Self::Key,
            #row: &mut #private::RowReader<'_>,
        ) -> #private::core::result::Result<Self, #private::DecodeError> {
            #take_key
            #(#read_fixed)*
            #(#read_variable)*
            #private::core::result::Result::Ok(Self { #(#inits),* })
        }
    }
}

fn entries(record: &Record<'_>, private: &TokenStream) -> TokenStream {
    let (number, sink) = (local("number"), local("sink"));
    let arms = (0_usize..).zip(&record.indexes).map(|(at, index)| {
        let parts = index.parts.iter().flat_map(|&(place, desc)| field(record, place).map(move |field| (field, desc)));
        let calls = parts.map(|(field, desc)| {
            let (ident, ty) = (field.ident, field.ty);
            match (index.each, desc) {
                (true, _) => quote! { <#ty as #private::Each>::sink(&self.#ident, #sink); },
                (_, true) => quote! { <#ty as #private::KeyPart>::sink_desc(&self.#ident, #sink); },
                (_, false) => quote! { <#ty as #private::KeyPart>::sink(&self.#ident, #sink); },
            }
        });
        quote! { #at => { #(#calls)* } }
    });
    quote! {
        #[allow(unused_variables)]
        fn index_entries(&self, #number: #private::core::primitive::usize, #sink: &mut #private::IndexSink<'_>) {
            match #number {
                #(#arms)*
                _ => {}
            }
        }
    }
}

fn constants(record: &Record<'_>, private: &TokenStream) -> TokenStream {
    let (ident, vis) = (record.ident, record.vis);
    let constants = (0_usize..).zip(&record.indexes).map(|(at, index)| {
        let parts = index.parts.iter().flat_map(|&(place, desc)| field(record, place).map(move |field| (field, desc)));
        let types = parts.map(|(field, desc)| {
            let ty = field.ty;
            match (index.each, desc) {
                (true, _) => element(ty, private),
                (_, true) => quote! { #private::Desc<#ty> },
                (_, false) => quote! { #ty },
            }
        });
        let kind = if index.unique {
            quote! { Unique }
        } else {
            quote! { NonUnique }
        };
        let (constant, doc) = (&index.constant, doc(record, index));
        quote! {
            #[doc = #doc]
            #vis const #constant: #private::Index<#ident, (#(#types,)*), #private::#kind> = #private::Index::new(#at);
        }
    });
    if record.indexes.is_empty() {
        return TokenStream::new();
    }
    quote! {
        #[automatically_derived]
        #[allow(dead_code)]
        impl #ident {
            #(#constants)*
        }
    }
}

fn doc(record: &Record<'_>, index: &Index) -> String {
    let parts: Vec<String> = index
        .parts
        .iter()
        .flat_map(|&(place, desc)| field(record, place).map(move |field| (field, desc)))
        .map(|(field, desc)| format!("`{}`{}", names::plain(field.ident), if desc { " (descending)" } else { "" }))
        .collect();
    let parts = parts.join(", then ");
    match (index.unique, index.each) {
        (true, _) => {
            format!("The unique index over {parts}: at most one record for each key. Start a query or `find` here.")
        }
        (_, true) => format!("The index over each element of {parts}. Start a query here."),
        _ => format!("The index over {parts}. Start a query here."),
    }
}
