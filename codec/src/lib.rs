//! Order-preserving keys, rows and shapes of the Tamarack object store.
#![forbid(unsafe_code)]
