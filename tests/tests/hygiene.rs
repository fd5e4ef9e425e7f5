//! Generated code in hostile surroundings: names that shadow the prelude, methods that look like the library's, fields named as locals.

#![allow(clippy::disallowed_methods, reason = "tests use files and threads as programs do")]

use tamarack::{Database, Record as Rec};

/// Everything that generated code might mean is something else here.
mod hostile {
    #![allow(dead_code, non_camel_case_types, reason = "they are there to be in the way")]

    pub(super) struct Option;
    pub(super) struct Result;
    pub(super) struct Vec;
    pub(super) struct Box;
    pub(super) struct Clone;
    pub(super) struct Default;
    pub(super) struct Some;
    pub(super) struct None;
    pub(super) struct Ok;
    pub(super) struct Err;
    pub(super) struct KeyPart;
    pub(super) struct Shape;
    pub(super) struct Record;
    pub(super) struct Schema;
    pub(super) struct usize;
    pub(super) struct bool;
    pub(super) struct width;
    pub(super) struct schema;
    pub(super) struct out;
    pub(super) struct input;
    pub(super) struct row;
    pub(super) struct key;
    pub(super) struct number;
    pub(super) struct sink;
    pub(super) struct writer;
    pub(super) struct reader;
    pub(super) struct tag;
    pub(super) struct field_0;
    pub(super) mod core {}
    pub(super) mod std {}
    pub(super) mod tamarack {}
}

mod records {
    #[allow(unused_imports, reason = "they are there to be in the way")]
    use super::hostile::*;

    /// A key part whose own methods have the names that generated code calls.
    #[derive(::tamarack::KeyPart, ::tamarack::Shape, Debug, ::std::clone::Clone, PartialEq)]
    pub(super) struct Hostile(pub(super) u32);

    #[allow(dead_code, clippy::should_implement_trait, reason = "they must never be called")]
    impl Hostile {
        pub(super) fn encode(&self, _: u8) -> ! {
            panic!("an inherent method took the place of the trait's")
        }
        pub(super) fn encode_last(&self) -> ! {
            panic!("an inherent method took the place of the trait's")
        }
        pub(super) fn decode() -> ! {
            panic!("an inherent method took the place of the trait's")
        }
        pub(super) fn describe() -> ! {
            panic!("an inherent method took the place of the trait's")
        }
        pub(super) fn sink(&self) -> ! {
            panic!("an inherent method took the place of the trait's")
        }
        pub(super) fn write_fixed(&self) -> ! {
            panic!("an inherent method took the place of the trait's")
        }
        pub(super) fn clone(&self) -> ! {
            panic!("an inherent method took the place of the trait's")
        }
        pub(super) const FIXED: &str = "not a width";
    }

    #[derive(::tamarack::KeyPart, ::tamarack::Shape, Debug, ::std::clone::Clone, PartialEq)]
    pub(super) enum Either {
        Left { out: u8, input: ::std::string::String, self_: u8 },
        Right(Hostile, u8),
        Empty,
    }

    #[derive(::tamarack::Schema)]
    pub(super) struct File(Names);

    /// Fields named as locals of generated code, and keywords.
    #[derive(::tamarack::Record, Debug, PartialEq)]
    #[record(table = "hostile", key(key, r#type), index(r#match = (row, desc out), unique))]
    pub(super) struct Names {
        pub(super) key: Hostile,
        pub(super) r#type: ::std::string::String,
        pub(super) row: u8,
        pub(super) out: Hostile,
        pub(super) number: Either,
        #[record(index)]
        pub(super) sink: Either,
        #[record(bincode)]
        pub(super) field_0: ::std::vec::Vec<u8>,
        #[record(unique)]
        pub(super) r#async: ::std::option::Option<u8>,
    }
}

use records::{Either, File, Hostile, Names};

#[test]
fn generated_code_means_what_it_says() {
    let db = Database::<File>::in_memory().unwrap();
    let names = Names {
        key: Hostile(1),
        r#type: "t".into(),
        row: 2,
        out: Hostile(3),
        number: Either::Left { out: 1, input: "x".into(), self_: 2 },
        sink: Either::Right(Hostile(4), 5),
        field_0: vec![1, 2, 3],
        r#async: None,
    };
    db.write(|tx| tx.table::<Names>()?.insert(&names)).unwrap();
    db.read(|tx| {
        let table = tx.table::<Names>()?;
        assert_eq!(table.find(Names::MATCH.at(2).at(Hostile(3)))?.as_ref(), Some(&names));
        assert_eq!(table.query(Names::SINK.at(Either::Right(Hostile(4), 5))).count(), 1);
        assert_eq!(table.query(Names::ASYNC.at(None)).count(), 1);
        assert_eq!(table.query(Names::SINK.at(Either::Empty)).count(), 0);
        assert_eq!(<Names as Rec>::key(&names), (Hostile(1), "t".to_owned()));
        Ok(())
    })
    .unwrap();
}
