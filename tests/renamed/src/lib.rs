//! The derives where the library has another name and the prelude is gone.

#![forbid(unsafe_code)]
#![no_implicit_prelude]

/// A record.
#[derive(::shelf::Record)]
#[record(crate = "::shelf", index(kind_size = (kind, desc size)))]
pub struct Book {
    /// Its key.
    #[record(key)]
    pub isbn: ::std::string::String,
    /// Its kind.
    pub kind: Kind,
    /// Its pages.
    pub size: u32,
    /// Its words.
    #[record(index(each))]
    pub words: ::std::vec::Vec<::std::string::String>,
    /// Where it stands.
    #[record(unique)]
    pub place: ::std::option::Option<Place>,
}

/// A key part and a shape.
#[derive(::shelf::KeyPart, ::shelf::Shape, ::std::clone::Clone)]
#[record(crate = "::shelf")]
pub enum Kind {
    /// Invented.
    Novel,
    /// Not invented.
    Manual {
        /// Its edition.
        edition: u8,
    },
}

/// A key part and a shape.
#[derive(::shelf::KeyPart, ::shelf::Shape, ::std::clone::Clone)]
#[record(crate = "::shelf")]
pub struct Place(pub u8, pub u16);

/// A schema.
#[derive(::shelf::Schema)]
#[record(crate = "::shelf")]
pub struct Library(Book);

/// Stores and finds a book.
///
/// # Errors
/// What the library says.
pub fn round_trip() -> ::shelf::Result<bool> {
    use ::std::convert::Into as _;
    use ::std::iter::Iterator as _;
    use ::std::prelude::rust_2024::{Ok, Some};
    let db = ::shelf::Database::<Library>::in_memory()?;
    let book = Book {
        isbn: "1".into(),
        kind: Kind::Manual { edition: 2 },
        size: 300,
        words: ::std::vec!["tree".into()],
        place: Some(Place(1, 2)),
    };
    db.write(|tx| tx.table::<Book>()?.insert(&book))?;
    db.read(|tx| {
        let books = tx.table::<Book>()?;
        let found = books.query(Book::KIND_SIZE.at(Kind::Manual { edition: 2 }).range(100..)).count();
        let placed = books.find(Book::PLACE.at(Place(1, 2)))?;
        Ok(found == 1 && books.query(Book::WORDS.at("tree")).count() == 1 && placed.is_some())
    })
}

#[cfg(test)]
mod tests {
    #[::core::prelude::v1::test]
    fn works_under_another_name() {
        ::std::assert!(::std::result::Result::unwrap(crate::round_trip()));
    }
}
