//! Key parts of other crates, each behind a feature of the same name. Types that carry an offset or a zone are no key parts: two of
//! them can be the same instant and yet different values.

#[cfg(any(feature = "chrono", feature = "jiff", feature = "time"))]
macro_rules! instant {
    ($type:ty, |$value:ident| $to:expr, |$seconds:ident, $nanos:ident| $from:expr) => {
        impl crate::KeyPart for $type {
            const FIXED: Option<usize> = Some(12);

            fn encode(&self, out: &mut crate::KeyBuf) {
                let $value = self;
                let (seconds, nanos): (i64, u32) = $to;
                super::time::encode_instant(seconds, nanos, out);
            }

            fn decode(input: &mut &[u8]) -> Result<Self, crate::DecodeError> {
                let ($seconds, $nanos) = super::time::decode_instant(input)?;
                let found: Option<Self> = $from;
                found.ok_or_else(|| crate::DecodeError::new("a time that the type cannot represent"))
            }

            fn describe() -> crate::ShapeDef {
                crate::ShapeDef::Instant
            }
        }

        crate::key_args!($type);
    };
}

#[cfg(feature = "chrono")]
instant!(
    chrono::DateTime<chrono::Utc>,
    // A leap second is told by more nanoseconds than a second has. It counts as the end of the second before it.
    |value| (value.timestamp(), value.timestamp_subsec_nanos().min(999_999_999)),
    |seconds, nanos| chrono::DateTime::from_timestamp(seconds, nanos)
);

#[cfg(feature = "jiff")]
instant!(
    jiff::Timestamp,
    |value| {
        let nanos = value.as_nanosecond();
        (
            i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(i64::MAX),
            u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or_default(),
        )
    },
    |seconds, nanos| jiff::Timestamp::from_nanosecond(i128::from(seconds) * 1_000_000_000 + i128::from(nanos)).ok()
);

#[cfg(feature = "time")]
instant!(time::UtcDateTime, |value| (value.unix_timestamp(), value.nanosecond()), |seconds, nanos| {
    time::UtcDateTime::from_unix_timestamp(seconds).ok().and_then(|time| time.replace_nanosecond(nanos).ok())
});

#[cfg(feature = "uuid")]
mod uuid {
    use crate::key_buf::take_array;
    use crate::{DecodeError, KeyBuf, KeyPart, ShapeDef};
    use uuid::Uuid;

    impl KeyPart for Uuid {
        const FIXED: Option<usize> = Some(16);

        fn encode(&self, out: &mut KeyBuf) {
            out.extend_from_slice(self.as_bytes());
        }

        fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
            take_array(input, "a UUID").map(Self::from_bytes)
        }

        fn describe() -> ShapeDef {
            ShapeDef::Uuid
        }
    }

    crate::key_args!(Uuid);
}

#[cfg(feature = "bytes")]
mod bytes {
    use crate::key::bytes as plain;
    use crate::{DecodeError, KeyBuf, KeyPart, ShapeDef};
    use bytes::Bytes;

    impl KeyPart for Bytes {
        const FIXED: Option<usize> = None;

        fn encode(&self, out: &mut KeyBuf) {
            plain::encode(self, out, false);
        }

        fn encode_last(&self, out: &mut KeyBuf) {
            plain::encode(self, out, true);
        }

        fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
            plain::decode(input, false).map(Self::from)
        }

        fn decode_last(input: &mut &[u8]) -> Result<Self, DecodeError> {
            plain::decode(input, true).map(Self::from)
        }

        fn describe() -> ShapeDef {
            ShapeDef::Bytes
        }
    }

    crate::key_args!(Bytes);

    impl crate::KeyArg<Bytes> for &[u8] {
        fn encode_arg(&self, out: &mut KeyBuf) {
            plain::encode(self, out, false);
        }

        fn encode_arg_last(&self, out: &mut KeyBuf) {
            plain::encode(self, out, true);
        }
    }

    impl crate::KeyArg<Option<Bytes>> for &[u8] {
        fn encode_arg(&self, out: &mut KeyBuf) {
            out.push(1);
            plain::encode(self, out, false);
        }

        fn encode_arg_last(&self, out: &mut KeyBuf) {
            out.push(1);
            plain::encode(self, out, true);
        }
    }

    impl crate::PrefixArg<Bytes> for &[u8] {
        fn encode_prefix(&self, out: &mut KeyBuf, last: bool) {
            crate::key::arg::encode_prefix(self, out, last);
        }
    }
}
