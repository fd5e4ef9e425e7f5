//! `derive(KeyPart)`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Generics;

use super::{braced, local, local_at};
use crate::ast::{Body, Part, Variant};
use crate::attr::TagWidth;
use crate::names;

/// The implementation, and what queries accept for the part.
pub(super) fn expand(part: &Part<'_>) -> TokenStream {
    let krate = &part.krate;
    let private = quote! { #krate::__private };
    let ident = part.ident;
    let fixed = fixed(part, &private);
    let (encode, encode_last) = (encode(part, &private, false), encode(part, &private, true));
    let (decode, decode_last) = (decode(part, &private, false), decode(part, &private, true));
    let describe = describe(part, &private);
    let (name, out, input) = (names::plain(ident), local("out"), local("input"));
    quote! {
        const _: () = {
            #[automatically_derived]
            #[allow(unused_variables)]
            impl #private::KeyPart for #ident {
                const FIXED: #private::core::option::Option<#private::core::primitive::usize> = #fixed;

                fn encode(&self, #out: &mut #private::KeyBuf) {
                    #encode
                }

                fn encode_last(&self, #out: &mut #private::KeyBuf) {
                    #encode_last
                }

                fn decode(
                    #input: &mut &[#private::core::primitive::u8],
                ) -> #private::core::result::Result<Self, #private::DecodeError> {
                    #decode
                }

                fn decode_last(
                    #input: &mut &[#private::core::primitive::u8],
                ) -> #private::core::result::Result<Self, #private::DecodeError> {
                    #decode_last
                }

                fn describe() -> #private::ShapeDef {
                    #private::ShapeDef::of_type::<Self>(#name, || #describe)
                }
            }

            #private::key_args!(#ident);
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
            impl #imp #private::KeyPart for #ident #ty #whole {
                const FIXED: #private::core::option::Option<#private::core::primitive::usize> =
                    #private::core::option::Option::None;
                fn encode(&self, _: &mut #private::KeyBuf) {}
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

fn sum(variant: &Variant<'_>, private: &TokenStream) -> TokenStream {
    let types = variant.fields.iter().map(|field| field.ty);
    quote! { #private::KeyBuf::sum(&[#(<#types as #private::KeyPart>::FIXED),*]) }
}

fn fixed(part: &Part<'_>, private: &TokenStream) -> TokenStream {
    match &part.body {
        Body::Struct(fields) => sum(fields, private),
        Body::Enum(variants) => {
            let width: usize = if part.tag_width == TagWidth::Sixteen { 2 } else { 1 };
            let sums = variants.iter().map(|variant| sum(variant, private));
            let payload = local("payload");
            quote! {
                match #private::KeyBuf::same(&[#(#sums),*]) {
                    #private::core::option::Option::Some(#payload) => #private::core::option::Option::Some(#payload + #width),
                    #private::core::option::Option::None => #private::core::option::Option::None,
                }
            }
        }
    }
}

/// Encodes the fields of one variant, bound to their local names.
fn encode_fields(variant: &Variant<'_>, private: &TokenStream, last: bool) -> TokenStream {
    let out = local("out");
    let count = variant.fields.len();
    let calls = (0..).zip(&variant.fields).map(|(place, field)| {
        let (value, ty) = (local_at(place), field.ty);
        let method = if last && place + 1 == count {
            quote! { encode_last }
        } else {
            quote! { encode }
        };
        quote! { <#ty as #private::KeyPart>::#method(#value, #out); }
    });
    quote! { #(#calls)* }
}

fn encode(part: &Part<'_>, private: &TokenStream, last: bool) -> TokenStream {
    match &part.body {
        Body::Struct(fields) => {
            let (pattern, calls) = (braced(&quote! { Self }, fields), encode_fields(fields, private, last));
            quote! { let #pattern = self; #calls }
        }
        Body::Enum(variants) => {
            let out = local("out");
            let arms = variants.iter().map(|variant| {
                let (ident, tag) = (variant.ident, tag(part, variant));
                let pattern = braced(&quote! { Self::#ident }, variant);
                let calls = encode_fields(variant, private, last);
                let method = if part.tag_width == TagWidth::Sixteen {
                    quote! { tag16 }
                } else {
                    quote! { tag8 }
                };
                quote! { #pattern => { #out.#method(#tag); #calls } }
            });
            quote! { match self { #(#arms)* } }
        }
    }
}

/// The tag as a literal of its width.
fn tag(part: &Part<'_>, variant: &Variant<'_>) -> proc_macro2::Literal {
    match part.tag_width {
        TagWidth::Eight => proc_macro2::Literal::u8_suffixed(u8::try_from(variant.tag).unwrap_or(u8::MAX)),
        TagWidth::Sixteen => proc_macro2::Literal::u16_suffixed(u16::try_from(variant.tag).unwrap_or(u16::MAX)),
    }
}

/// Decodes the fields of one variant and makes its value.
fn decode_fields(path: &TokenStream, variant: &Variant<'_>, private: &TokenStream, last: bool) -> TokenStream {
    let input = local("input");
    let count = variant.fields.len();
    let calls = (0..).zip(&variant.fields).map(|(place, field)| {
        let (value, ty) = (local_at(place), field.ty);
        let method = if last && place + 1 == count {
            quote! { decode_last }
        } else {
            quote! { decode }
        };
        quote! { let #value = <#ty as #private::KeyPart>::#method(#input)?; }
    });
    let value = braced(path, variant);
    quote! { #(#calls)* #private::core::result::Result::Ok(#value) }
}

fn decode(part: &Part<'_>, private: &TokenStream, last: bool) -> TokenStream {
    match &part.body {
        Body::Struct(fields) => decode_fields(&quote! { Self }, fields, private, last),
        Body::Enum(variants) => {
            let (input, name, unknown) = (local("input"), names::plain(part.ident), local("tag"));
            let take = if part.tag_width == TagWidth::Sixteen {
                quote! { take_tag16 }
            } else {
                quote! { take_tag8 }
            };
            let arms = variants.iter().map(|variant| {
                let (ident, tag) = (variant.ident, tag(part, variant));
                let body = decode_fields(&quote! { Self::#ident }, variant, private, last);
                quote! { #tag => { #body } }
            });
            quote! {
                match #private::KeyBuf::#take(#input)? {
                    #(#arms)*
                    #unknown => #private::core::result::Result::Err(
                        #private::DecodeError::tag(#name, #private::core::convert::Into::into(#unknown)),
                    ),
                }
            }
        }
    }
}

fn describe_fields(variant: &Variant<'_>, private: &TokenStream) -> TokenStream {
    let (names, types) = (variant.fields.iter().map(|field| &field.name), variant.fields.iter().map(|field| field.ty));
    quote! { #private::std::vec![#((#names, <#types as #private::KeyPart>::describe())),*] }
}

fn describe(part: &Part<'_>, private: &TokenStream) -> TokenStream {
    let name = names::plain(part.ident);
    match &part.body {
        Body::Struct(fields) => {
            let fields = describe_fields(fields, private);
            quote! { #private::ShapeDef::structure(#name, #fields) }
        }
        Body::Enum(variants) => {
            let width: u8 = if part.tag_width == TagWidth::Sixteen { 2 } else { 1 };
            let variants = variants.iter().map(|variant| {
                let (name, tag, fields) = (names::plain(variant.ident), variant.tag, describe_fields(variant, private));
                quote! { (#name, #tag, #fields) }
            });
            quote! { #private::ShapeDef::key_enumeration(#name, #width, #private::std::vec![#(#variants),*]) }
        }
    }
}
