//! `derive(Schema)`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Generics;

use super::local;
use crate::ast::Schema;

/// The list, and membership for each record.
pub(super) fn expand(schema: &Schema<'_>) -> TokenStream {
    let krate = &schema.krate;
    let private = quote! { #krate::__private };
    let (ident, records, count) = (schema.ident, &schema.records, schema.records.len());
    let (places, value) = (0..count, local("schema"));
    let fields = (0..count).map(syn::Index::from);
    quote! {
        const _: () = {
            #[automatically_derived]
            impl #private::Schema for #ident {
                const RECORDS: #private::core::primitive::usize = #count;

                fn definitions() -> #private::std::vec::Vec<#private::RecordDef> {
                    // Nobody ever makes a value of it: without this, the compiler would call its fields unused.
                    let _ = |#value: &Self| { #(let _ = &#value.#fields;)* };
                    #private::std::vec![#(<#records as #private::Record>::definition()),*]
                }
            }

            #(
                #[automatically_derived]
                impl #private::Has<#records> for #ident {
                    const POSITION: #private::core::primitive::usize = #places;
                }
            )*
        };
    }
}

/// What comes out for a faulty schema.
pub(super) fn fallback(schema: &Schema<'_>, generics: &Generics) -> TokenStream {
    let krate = &schema.krate;
    let private = quote! { #krate::__private };
    let ident = schema.ident;
    if !generics.params.is_empty() {
        return TokenStream::new();
    }
    quote! {
        const _: () = {
            #[automatically_derived]
            impl #private::Schema for #ident {
                const RECORDS: #private::core::primitive::usize = 0;
                fn definitions() -> #private::std::vec::Vec<#private::RecordDef> {
                    #private::core::unreachable!()
                }
            }
        };
    }
}
