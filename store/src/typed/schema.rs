//! Schemas: which records a database holds.

use super::record::RecordDef;

/// The records of one database. Derive it on a tuple struct that lists them.
///
/// ```
/// use tamarack::{Database, Record, Schema};
///
/// #[derive(Record)]
/// struct Note {
///     #[record(key)]
///     title: String,
///     text: String,
/// }
///
/// #[derive(Schema)]
/// struct Notebook(Note);
///
/// # fn main() -> tamarack::Result<()> {
/// let db = Database::<Notebook>::in_memory()?;
/// # db.close() }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a schema",
    label = "not a schema",
    note = "list the records in a tuple struct: `#[derive(Schema)] struct MyData(..);`, or use `Database<()>` for plain tables"
)]
pub trait Schema: 'static {
    /// How many records it lists.
    const RECORDS: usize;

    /// Their definitions, in order.
    fn definitions() -> Vec<RecordDef>;
}

impl Schema for () {
    const RECORDS: usize = 0;

    fn definitions() -> Vec<RecordDef> {
        Vec::new()
    }
}

/// A schema that lists the record `R`.
#[diagnostic::on_unimplemented(
    message = "`{R}` is not part of the schema `{Self}`",
    label = "`{R}` is not listed",
    note = "list it in `struct {Self}(.., {R});`"
)]
///
/// ```
/// # use tamarack::{Database, Record, Schema};
/// # #[derive(Record)] struct Note { #[record(key)] id: u32, text: String }
/// # #[derive(Schema)] struct Notebook(Note);
/// fn lists<S: tamarack::Has<Note>>() {}
/// lists::<Notebook>();
/// ```
pub trait Has<R>: Schema {
    /// The record's place in the list.
    const POSITION: usize;
}
