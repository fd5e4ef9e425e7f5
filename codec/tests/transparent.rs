//! Ids, times and wrappers are to serde what is inside of them, in JSON and in opaque fields.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use tamarack_codec::{Compact, Desc, FieldsReader, FieldsWriter, Finite, Id, Timestamp, Total};

/// No bounds: a record that is nothing to serde, nor anything else.
struct Customer;

fn opaque<T: Serialize + DeserializeOwned>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    FieldsWriter::new(&mut bytes).opaque(value).unwrap();
    bytes
}

/// Whether both are written alike, and read as each other.
fn same<A, B>(a: &A, b: &B)
where
    A: Serialize + DeserializeOwned + PartialEq + Debug,
    B: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let json = serde_json::to_string(b).unwrap();
    assert_eq!(serde_json::to_string(a).unwrap(), json);
    assert_eq!(serde_json::from_str::<A>(&json).unwrap(), *a);
    let bytes = opaque(b);
    assert_eq!(opaque(a), bytes);
    assert_eq!(FieldsReader::new(&mut &bytes[..]).opaque::<A>("a").as_ref(), Ok(a));
    assert_eq!(FieldsReader::new(&mut &opaque(a)[..]).opaque::<B>("b").as_ref(), Ok(b));
}

#[test]
fn each_is_what_is_inside() {
    for number in [0, 1, 250, 251, u64::MAX] {
        same(&Id::<Customer>::new(number), &number);
        same(&Compact(number), &number);
        same(&Desc(Id::<Customer>::new(number)), &number);
    }
    for number in [i64::MIN, -1, 0, 1_795_392_000_123_456, i64::MAX] {
        same(&Timestamp::from_micros(number), &number);
        same(&Compact(number), &number);
    }
    same(&Desc("a".to_owned()), &"a".to_owned());
    same(&Desc(Some(Timestamp::from_micros(7))), &Some(7_i64));
    same(&Some(Id::<Customer>::new(7)), &Some(7_u64));
    same(&vec![Id::<Customer>::new(7), Id::AUTO], &vec![7_u64, 0]);
    for number in [-1.5_f64, 0.0, 0.1, 1e300] {
        same(&Total(number), &number);
        same(&Finite::new(number).unwrap(), &number);
    }
    same(&Finite::<f32>::new(0.1).unwrap(), &0.1_f32);
    same(&Total(0.1_f32), &0.1_f32);
}

#[test]
fn every_bit_of_a_total_float_is_kept() {
    for bits in [f64::NAN.to_bits(), f64::NAN.to_bits() | 1 << 63 | 5, (-0.0_f64).to_bits(), f64::INFINITY.to_bits()] {
        let bytes = opaque(&Total(f64::from_bits(bits)));
        let read = FieldsReader::new(&mut &bytes[..]).opaque::<Total<f64>>("total").unwrap();
        assert_eq!(read.0.to_bits(), bits);
    }
}

#[test]
fn nan_is_no_finite_number_however_it_comes() {
    let bytes = opaque(&f64::NAN);
    let error = FieldsReader::new(&mut &bytes[..]).opaque::<Finite<f64>>("price").unwrap_err().to_string();
    assert!(error.contains("field `price`") && error.contains("NaN has no place in the order of numbers"), "{error}");
    let error = FieldsReader::new(&mut &opaque(&f32::NAN)[..]).opaque::<Finite<f32>>("price").unwrap_err();
    assert!(error.to_string().contains("NaN has no place"), "{error}");
    // There is one zero.
    let zero = serde_json::from_str::<Finite<f64>>("-0.0").unwrap();
    assert_eq!(zero.get().to_bits(), 0);
    assert!(serde_json::from_str::<Finite<f64>>("\"a\"").is_err());
    assert!(serde_json::from_str::<Id<Customer>>("-1").is_err());
}

#[test]
fn they_stand_in_derived_types() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Event {
        of: Id<Customer>,
        at: Timestamp,
        price: Option<Finite<f64>>,
        kind: Kind,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Merged(Id<Customer>),
        Moved { from: Timestamp, weight: Compact<i64> },
    }

    let event = |kind| Event { of: Id::new(7), at: Timestamp::from_micros(-5), price: Finite::new(0.5).ok(), kind };
    let merged = event(Kind::Merged(Id::new(8)));
    assert_eq!(
        serde_json::to_string(&merged).unwrap(),
        r#"{"of":7,"at":-5,"price":0.5,"kind":{"Merged":8}}"#,
        "what programs exchange"
    );
    for value in [merged, event(Kind::Moved { from: Timestamp::from_micros(3), weight: Compact(-9) })] {
        let json = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), value);
        let bytes = opaque(&value);
        assert_eq!(FieldsReader::new(&mut &bytes[..]).opaque::<Event>("event"), Ok(value));
    }
}
