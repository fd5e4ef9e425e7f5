//! Keys and rows without their types: by descriptor alone, for tools that work on a file without its program.
//!
//! A row is cut into its fields, a stored key into its parts, and a field is turned into the key part that an index holds of it. The bytes
//! are those that the typed code writes: plain parts go through the very same implementations.

mod fields;
mod recode;
#[cfg(test)]
mod tests;

pub use fields::{check_value, row_fields, split_row};
pub use recode::{Field, can_recode, element_parts, key_parts, pass_parts, starts_with_none};
