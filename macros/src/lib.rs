//! Derive macros of the Tamarack object store.
#![forbid(unsafe_code)]
