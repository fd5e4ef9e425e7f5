//! `derive(Shape)`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Generics;

use super::{braced, local, local_at};
use crate::ast::{Body, Part, Variant};
use crate::names;

/// The implementation.
pub(super) fn expand(part: &Part<'_>) -> TokenStream {
    let krate = &part.krate;
    let private = quote! { #krate::__private };
    let ident = part.ident;
    let (encode, decode, describe) = (encode(part, &private), decode(part, &private), describe(part, &private));
    let (name, out, input) = (names::plain(ident), local("out"), local("input"));
    quote! {
        const _: () = {
            #[automatically_derived]
            #[allow(unused_variables, unused_mut)]
            impl #private::Shape for #ident {
                const FIXED: #private::core::option::Option<#private::core::primitive::usize> =
                    #private::core::option::Option::None;

                fn encode(&self, #out: &mut #private::std::vec::Vec<#private::core::primitive::u8>) {
                    #encode
                }

                fn decode(
                    #input: &mut &[#private::core::primitive::u8],
                ) -> #private::core::result::Result<Self, #private::DecodeError> {
                    #decode
                }

                fn describe() -> #private::ShapeDef {
                    #private::ShapeDef::of_type::<Self>(#name, || #describe)
                }
            }
        };
    }
}

/// What comes out for a faulty type.
pub(super) fn fallback(part: &Part<'_>, generics: &Generics) -> TokenStream {
    let krate = &part.krate;
    let private = quote! { #krate::__private };
    let ident = part.ident;
    let (imp, ty, whole) = generics.split_for_impl();
    quote! {
        const _: () = {
            #[automatically_derived]
            impl #imp #private::Shape for #ident #ty #whole {
                const FIXED: #private::core::option::Option<#private::core::primitive::usize> =
                    #private::core::option::Option::None;
                fn encode(&self, _: &mut #private::std::vec::Vec<#private::core::primitive::u8>) {}
                fn decode(
                    _: &mut &[#private::core::primitive::u8],
                ) -> #private::core::result::Result<Self, #private::DecodeError> {
                    #private::core::unreachable!()
                }
                fn describe() -> #private::ShapeDef { #private::core::unreachable!() }
            }
        };
    }
}

fn write(variant: &Variant<'_>, private: &TokenStream) -> TokenStream {
    let writer = local("writer");
    let pass = |method: TokenStream| {
        let calls = (0..).zip(&variant.fields).map(|(place, field)| {
            let (value, ty) = (local_at(place), field.ty);
            quote! { <#ty as #private::Shape>::#method(#value, &mut #writer); }
        });
        quote! { #(#calls)* }
    };
    let (fixed, variable) = (pass(quote! { write_fixed }), pass(quote! { write_variable }));
    quote! { #fixed #variable }
}

fn encode(part: &Part<'_>, private: &TokenStream) -> TokenStream {
    let (out, writer) = (local("out"), local("writer"));
    match &part.body {
        Body::Struct(fields) => {
            let (pattern, calls) = (braced(&quote! { Self }, fields), write(fields, private));
            quote! {
                let #pattern = self;
                let mut #writer = #private::FieldsWriter::new(#out);
                #calls
            }
        }
        Body::Enum(variants) => {
            let arms = variants.iter().map(|variant| {
                let (ident, tag) = (variant.ident, variant.tag);
                let (pattern, calls) = (braced(&quote! { Self::#ident }, variant), write(variant, private));
                quote! {
                    #pattern => {
                        let mut #writer = #private::FieldsWriter::tagged(#out, #tag);
                        #calls
                    }
                }
            });
            quote! { match self { #(#arms)* } }
        }
    }
}

fn read(path: &TokenStream, variant: &Variant<'_>, private: &TokenStream) -> TokenStream {
    let reader = local("reader");
    let places = || (0..).zip(&variant.fields);
    let fixed = places().map(|(place, field)| {
        let (value, name, ty) = (local_at(place), &field.name, field.ty);
        quote! { let #value = <#ty as #private::Shape>::read_fixed(&mut #reader, #name)?; }
    });
    let variable = places().map(|(place, field)| {
        let (value, name, ty) = (local_at(place), &field.name, field.ty);
        quote! { let #value = <#ty as #private::Shape>::read_variable(&mut #reader, #name, #value)?; }
    });
    let value = braced(path, variant);
    quote! {
        #(#fixed)*
        #(#variable)*
        #reader.finish()?;
        #private::core::result::Result::Ok(#value)
    }
}

fn decode(part: &Part<'_>, private: &TokenStream) -> TokenStream {
    let (input, reader) = (local("input"), local("reader"));
    match &part.body {
        Body::Struct(fields) => {
            let body = read(&quote! { Self }, fields, private);
            quote! {
                let mut #reader = #private::FieldsReader::new(#input);
                #body
            }
        }
        Body::Enum(variants) => {
            let (name, tag) = (names::plain(part.ident), local("tag"));
            let arms = variants.iter().map(|variant| {
                let (ident, tag) = (variant.ident, variant.tag);
                let body = read(&quote! { Self::#ident }, variant, private);
                quote! { #tag => { #body } }
            });
            quote! {
                let (#tag, mut #reader) = #private::FieldsReader::tagged(#input)?;
                match #tag {
                    #(#arms)*
                    #tag => #private::core::result::Result::Err(#private::DecodeError::tag(#name, #tag)),
                }
            }
        }
    }
}

fn describe_fields(variant: &Variant<'_>, private: &TokenStream) -> TokenStream {
    let (names, types) = (variant.fields.iter().map(|field| &field.name), variant.fields.iter().map(|field| field.ty));
    quote! { #private::std::vec![#((#names, <#types as #private::Shape>::describe())),*] }
}

fn describe(part: &Part<'_>, private: &TokenStream) -> TokenStream {
    let name = names::plain(part.ident);
    match &part.body {
        Body::Struct(fields) => {
            let fields = describe_fields(fields, private);
            quote! { #private::ShapeDef::structure(#name, #fields) }
        }
        Body::Enum(variants) => {
            let variants = variants.iter().map(|variant| {
                let (name, tag, fields) = (names::plain(variant.ident), variant.tag, describe_fields(variant, private));
                quote! { (#name, #tag, #fields) }
            });
            quote! { #private::ShapeDef::enumeration(#name, #private::std::vec![#(#variants),*]) }
        }
    }
}
