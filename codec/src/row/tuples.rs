//! Tuples up to 8: as structs without names.

use super::Shape;
use super::fields::{FieldsReader, FieldsWriter};
use crate::error::DecodeError;
use crate::key_buf::KeyBuf;
use crate::shape_def::ShapeDef;

impl Shape for () {
    const FIXED: Option<usize> = Some(0);

    fn encode(&self, _: &mut Vec<u8>) {}

    fn decode(_: &mut &[u8]) -> Result<Self, DecodeError> {
        Ok(())
    }

    fn describe() -> ShapeDef {
        ShapeDef::Tuple(Vec::new())
    }
}

macro_rules! tuple {
    ($($part:ident $at:tt $name:literal)*) => {
        impl<$($part: Shape),*> Shape for ($($part,)*) {
            const FIXED: Option<usize> = KeyBuf::sum(&[$($part::FIXED),*]);

            fn encode(&self, out: &mut Vec<u8>) {
                let mut writer = FieldsWriter::new(out);
                $(writer.fixed_pass(&self.$at);)*
                $(writer.variable_pass(&self.$at);)*
            }

            #[allow(non_snake_case, reason = "the parts are named after their types")]
            fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
                if Self::FIXED.is_some() {
                    return Ok(($($part::decode(input)?,)*));
                }
                let mut reader = FieldsReader::new(input);
                $(let $part = reader.fixed_pass::<$part>($name)?;)*
                $(let $part = reader.variable_pass::<$part>($name, $part)?;)*
                reader.finish()?;
                Ok(($($part,)*))
            }

            fn describe() -> ShapeDef {
                ShapeDef::Tuple(vec![$($part::describe()),*])
            }
        }
    };
}

tuple!(A 0 "0");
tuple!(A 0 "0" B 1 "1");
tuple!(A 0 "0" B 1 "1" C 2 "2");
tuple!(A 0 "0" B 1 "1" C 2 "2" D 3 "3");
tuple!(A 0 "0" B 1 "1" C 2 "2" D 3 "3" E 4 "4");
tuple!(A 0 "0" B 1 "1" C 2 "2" D 3 "3" E 4 "4" F 5 "5");
tuple!(A 0 "0" B 1 "1" C 2 "2" D 3 "3" E 4 "4" F 5 "5" G 6 "6");
tuple!(A 0 "0" B 1 "1" C 2 "2" D 3 "3" E 4 "4" F 5 "5" G 6 "6" H 7 "7");
