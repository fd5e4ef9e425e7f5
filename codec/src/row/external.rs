//! Fields of other crates' types, each behind a feature of the same name.

#[cfg(any(feature = "chrono", feature = "jiff", feature = "time"))]
macro_rules! instant {
    ($type:ty) => {
        impl super::Shape for $type {
            const FIXED: Option<usize> = Some(12);

            fn encode(&self, out: &mut Vec<u8>) {
                let mut key = crate::KeyBuf::new();
                crate::KeyPart::encode(self, &mut key);
                let mut input = key.as_slice();
                // A key of this type always decodes; an instant before 1970 is the fallback that no value reaches.
                let (seconds, nanos) = crate::key::decode_instant(&mut input).unwrap_or_default();
                super::scalars::encode_instant(seconds, nanos, out);
            }

            fn decode(input: &mut &[u8]) -> Result<Self, crate::DecodeError> {
                let (seconds, nanos) = super::scalars::decode_instant(input)?;
                let mut key = crate::KeyBuf::new();
                crate::key::encode_instant(seconds, nanos, &mut key);
                <Self as crate::KeyPart>::decode(&mut key.as_slice())
            }

            fn describe() -> crate::ShapeDef {
                crate::ShapeDef::Instant
            }
        }
    };
}

#[cfg(feature = "chrono")]
instant!(chrono::DateTime<chrono::Utc>);
#[cfg(feature = "jiff")]
instant!(jiff::Timestamp);
#[cfg(feature = "time")]
instant!(time::UtcDateTime);

#[cfg(feature = "uuid")]
impl super::Shape for uuid::Uuid {
    const FIXED: Option<usize> = Some(16);

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn decode(input: &mut &[u8]) -> Result<Self, crate::DecodeError> {
        crate::key_buf::take_array(input, "a UUID").map(Self::from_bytes)
    }

    fn describe() -> crate::ShapeDef {
        crate::ShapeDef::Uuid
    }
}

#[cfg(feature = "bytes")]
impl super::Shape for bytes::Bytes {
    const FIXED: Option<usize> = None;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, crate::DecodeError> {
        Ok(Self::copy_from_slice(std::mem::take(input)))
    }

    fn describe() -> crate::ShapeDef {
        crate::ShapeDef::Bytes
    }
}
