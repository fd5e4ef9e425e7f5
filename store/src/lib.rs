//! Tamarack: a typed, embedded object store in one file.

mod blob;
mod buffer;
mod check;
mod ckpt;
mod engine;
mod error;
mod format;
mod recover;
mod space;
mod sync;
mod tree;
mod txn;
mod vfs;
mod wal;

pub use engine::Durability;
pub use error::{Error, ErrorKind, Result};
