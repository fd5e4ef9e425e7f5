//! The sink of errors: parsing and validation go on after a mistake, so that all of them are reported together.

use std::cell::RefCell;
use std::fmt::Display;

use proc_macro2::Span;
use quote::ToTokens;

/// Collects the errors of one item. It exists only inside [`collect`], so none can be forgotten.
pub(crate) struct Ctxt {
    errors: RefCell<Vec<syn::Error>>,
}

impl Ctxt {
    /// Adds an error that points at the whole of `tokens`.
    pub(crate) fn error(&self, tokens: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// Adds an error that points at `span`.
    pub(crate) fn error_at(&self, span: Span, message: impl Display) {
        self.push(syn::Error::new(span, message));
    }

    /// Adds an error that came from syn's parser.
    pub(crate) fn push(&self, error: syn::Error) {
        self.errors.borrow_mut().push(error);
    }

    /// Whether an error was added so far.
    pub(crate) fn failed(&self) -> bool {
        !self.errors.borrow().is_empty()
    }
}

/// Runs `work` with a fresh sink and returns its value with everything that went into the sink, combined.
pub(crate) fn collect<T>(work: impl FnOnce(&Ctxt) -> T) -> (T, Option<syn::Error>) {
    let ctxt = Ctxt { errors: RefCell::new(Vec::new()) };
    let value = work(&ctxt);
    let all = ctxt.errors.into_inner().into_iter().reduce(|mut all, next| {
        all.combine(next);
        all
    });
    (value, all)
}
