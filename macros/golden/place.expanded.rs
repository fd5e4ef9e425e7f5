const _: () = {
    #[automatically_derived]
    #[allow(unused_variables)]
    impl ::tamarack::__private::KeyPart for Place {
        const FIXED: ::tamarack::__private::core::option::Option<
            ::tamarack::__private::core::primitive::usize,
        > = ::tamarack::__private::KeyBuf::sum(
            &[
                <String as ::tamarack::__private::KeyPart>::FIXED,
                <Vec<u8> as ::tamarack::__private::KeyPart>::FIXED,
            ],
        );
        fn encode(&self, __out: &mut ::tamarack::__private::KeyBuf) {
            let Self { country: __field_0, city: __field_1 } = self;
            <String as ::tamarack::__private::KeyPart>::encode(__field_0, __out);
            <Vec<u8> as ::tamarack::__private::KeyPart>::encode(__field_1, __out);
        }
        fn encode_last(&self, __out: &mut ::tamarack::__private::KeyBuf) {
            let Self { country: __field_0, city: __field_1 } = self;
            <String as ::tamarack::__private::KeyPart>::encode(__field_0, __out);
            <Vec<u8> as ::tamarack::__private::KeyPart>::encode_last(__field_1, __out);
        }
        fn decode(
            __input: &mut &[::tamarack::__private::core::primitive::u8],
        ) -> ::tamarack::__private::core::result::Result<
            Self,
            ::tamarack::__private::DecodeError,
        > {
            let __field_0 = <String as ::tamarack::__private::KeyPart>::decode(__input)?;
            let __field_1 = <Vec<
                u8,
            > as ::tamarack::__private::KeyPart>::decode(__input)?;
            ::tamarack::__private::core::result::Result::Ok(Self {
                country: __field_0,
                city: __field_1,
            })
        }
        fn decode_last(
            __input: &mut &[::tamarack::__private::core::primitive::u8],
        ) -> ::tamarack::__private::core::result::Result<
            Self,
            ::tamarack::__private::DecodeError,
        > {
            let __field_0 = <String as ::tamarack::__private::KeyPart>::decode(__input)?;
            let __field_1 = <Vec<
                u8,
            > as ::tamarack::__private::KeyPart>::decode_last(__input)?;
            ::tamarack::__private::core::result::Result::Ok(Self {
                country: __field_0,
                city: __field_1,
            })
        }
        fn describe() -> ::tamarack::__private::ShapeDef {
            ::tamarack::__private::ShapeDef::of_type::<
                Self,
            >(
                "Place",
                || ::tamarack::__private::ShapeDef::structure(
                    "Place",
                    ::tamarack::__private::std::vec![
                        ("country", < String as ::tamarack::__private::KeyPart >
                        ::describe()), ("city", < Vec < u8 > as
                        ::tamarack::__private::KeyPart > ::describe())
                    ],
                ),
            )
        }
    }
    ::tamarack::__private::key_args!(Place);
};
