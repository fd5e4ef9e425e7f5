//! Tuples up to 8: concatenations.

use super::{KeyArg, KeyPart};
use crate::error::DecodeError;
use crate::key_buf::KeyBuf;
use crate::shape_def::ShapeDef;

macro_rules! tuple {
    ($($part:ident $arg:ident $at:tt,)* => $last:ident $last_arg:ident $end:tt) => {
        impl<$($part: KeyPart,)* $last: KeyPart> KeyPart for ($($part,)* $last,) {
            const FIXED: Option<usize> = KeyBuf::sum(&[$($part::FIXED,)* $last::FIXED]);

            fn encode(&self, out: &mut KeyBuf) {
                $(self.$at.encode(out);)*
                self.$end.encode(out);
            }

            fn encode_last(&self, out: &mut KeyBuf) {
                $(self.$at.encode(out);)*
                self.$end.encode_last(out);
            }

            fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
                Ok(($($part::decode(input)?,)* $last::decode(input)?,))
            }

            fn decode_last(input: &mut &[u8]) -> Result<Self, DecodeError> {
                Ok(($($part::decode(input)?,)* $last::decode_last(input)?,))
            }

            fn skip(input: &mut &[u8]) -> Result<(), DecodeError> {
                $($part::skip(input)?;)*
                $last::skip(input)
            }

            fn describe() -> ShapeDef {
                ShapeDef::Tuple(vec![$($part::describe(),)* $last::describe()])
            }
        }

        impl<$($part,)* $last, $($arg: KeyArg<$part>,)* $last_arg: KeyArg<$last>> KeyArg<($($part,)* $last,)>
            for ($($arg,)* $last_arg,)
        {
            fn encode_arg(&self, out: &mut KeyBuf) {
                $(self.$at.encode_arg(out);)*
                self.$end.encode_arg(out);
            }

            fn encode_arg_last(&self, out: &mut KeyBuf) {
                $(self.$at.encode_arg(out);)*
                self.$end.encode_arg_last(out);
            }
        }

        impl<$($part: KeyPart,)* $last: KeyPart> KeyArg<($($part,)* $last,)> for &($($part,)* $last,) {
            fn encode_arg(&self, out: &mut KeyBuf) {
                self.encode(out);
            }

            fn encode_arg_last(&self, out: &mut KeyBuf) {
                self.encode_last(out);
            }
        }
    };
}

tuple!(=> A X 0);
tuple!(A X 0, => B Y 1);
tuple!(A X 0, B Y 1, => C Z 2);
tuple!(A X 0, B Y 1, C Z 2, => D W 3);
tuple!(A X 0, B Y 1, C Z 2, D W 3, => E V 4);
tuple!(A X 0, B Y 1, C Z 2, D W 3, E V 4, => F U 5);
tuple!(A X 0, B Y 1, C Z 2, D W 3, E V 4, F U 5, => G T 6);
tuple!(A X 0, B Y 1, C Z 2, D W 3, E V 4, F U 5, G T 6, => H S 7);
