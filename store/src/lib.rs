//! Tamarack: a typed, embedded object store in one file.
