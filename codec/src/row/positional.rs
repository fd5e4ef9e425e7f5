//! A serializer in front of bincode's that notes what bincode drops without a word: how many fields there are, and which of them
//! `skip_serializing_if` leaves out. bincode knows fields by their place alone, and may read those that follow as the ones that are missing.

use super::trace::Trace;
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use std::fmt::Display;

/// A value that leaves a trace when it is serialized.
pub(super) struct Traced<'a, T>(pub(super) T, pub(super) &'a Trace);

impl<T: Serialize + ?Sized> Serialize for Traced<'_, &T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Placed(serializer, self.1))
    }
}

/// Hands everything on, nested values as [`Traced`].
struct Placed<'a, S>(S, &'a Trace);

/// The same for elements whose places mean nothing.
struct Unordered<'a, S> {
    to: S,
    trace: &'a Trace,
    /// Of the elements.
    sum: u64,
    /// Of the key whose value is next.
    key: u64,
}

impl<'a, S> Unordered<'a, S> {
    fn new(to: S, trace: &'a Trace) -> Self {
        Self { to, trace, sum: 0, key: 0 }
    }

    /// Writes an element, or a part of one that goes on from `start`.
    fn part<R>(&mut self, start: u64, write: impl FnOnce(&mut S) -> R) -> (R, u64) {
        let (result, hash) = self.trace.apart(start, || write(&mut self.to));
        self.sum = self.sum.wrapping_add(hash);
        (result, hash)
    }
}

macro_rules! hand_on {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {$(
        fn $method(self, $($name: $type),*) -> Result<S::Ok, S::Error> {
            self.0.$method($($name),*)
        }
    )*};
}

macro_rules! open {
    ($($kind:ident $method:ident($($name:ident: $type:ty),*);)*) => {$(
        fn $method(self, $($name: $type,)* len: usize) -> Result<Self::$kind, S::Error> {
            self.1.declare(len);
            Ok(Placed(self.0.$method($($name,)* len)?, self.1))
        }
    )*};
}

impl<'a, S: Serializer> Serializer for Placed<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Unordered<'a, S::SerializeSeq>;
    type SerializeTuple = Placed<'a, S::SerializeTuple>;
    type SerializeTupleStruct = Placed<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Placed<'a, S::SerializeTupleVariant>;
    type SerializeMap = Unordered<'a, S::SerializeMap>;
    type SerializeStruct = Placed<'a, S::SerializeStruct>;
    type SerializeStructVariant = Placed<'a, S::SerializeStructVariant>;

    hand_on! {
        serialize_bool(v: bool);
        serialize_i8(v: i8);
        serialize_i16(v: i16);
        serialize_i32(v: i32);
        serialize_i64(v: i64);
        serialize_i128(v: i128);
        serialize_u8(v: u8);
        serialize_u16(v: u16);
        serialize_u32(v: u32);
        serialize_u64(v: u64);
        serialize_u128(v: u128);
        serialize_f32(v: f32);
        serialize_f64(v: f64);
        serialize_char(v: char);
        serialize_str(v: &str);
        serialize_bytes(v: &[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    open! {
        SerializeTuple serialize_tuple();
        SerializeTupleStruct serialize_tuple_struct(name: &'static str);
        SerializeTupleVariant serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str);
        SerializeStruct serialize_struct(name: &'static str);
        SerializeStructVariant serialize_struct_variant(name: &'static str, index: u32, variant: &'static str);
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        Ok(Unordered::new(self.0.serialize_seq(len)?, self.1))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        Ok(Unordered::new(self.0.serialize_map(len)?, self.1))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&Traced(value, self.1))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, &Traced(value, self.1))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_variant(name, index, variant, &Traced(value, self.1))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! elements {
    ($($kind:ident: $method:ident;)*) => {$(
        impl<S: $kind> $kind for Placed<'_, S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                self.0.$method(&Traced(value, self.1))
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        }
    )*};
}

elements! {
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

macro_rules! fields {
    ($($kind:ident)*) => {$(
        impl<S: $kind> $kind for Placed<'_, S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), S::Error> {
                self.0.serialize_field(name, &Traced(value, self.1))
            }

            fn skip_field(&mut self, name: &'static str) -> Result<(), S::Error> {
                self.1.skip(name);
                self.0.skip_field(name)
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }

impl<S: SerializeSeq> SerializeSeq for Unordered<'_, S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        let trace = self.trace;
        self.part(0, |to| to.serialize_element(&Traced(value, trace))).0
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.trace.add(self.sum);
        self.to.end()
    }
}

impl<S: SerializeMap> SerializeMap for Unordered<'_, S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        let trace = self.trace;
        let (result, hash) = self.part(0, |to| to.serialize_key(&Traced(key, trace)));
        self.key = hash;
        result
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        let trace = self.trace;
        self.part(self.key, |to| to.serialize_value(&Traced(value, trace))).0
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.trace.add(self.sum);
        self.to.end()
    }
}
