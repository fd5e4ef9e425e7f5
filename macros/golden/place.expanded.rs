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
        fn encode(&self, out: &mut ::tamarack::__private::KeyBuf) {
            let Self { country: field_0, city: field_1 } = self;
            <String as ::tamarack::__private::KeyPart>::encode(field_0, out);
            <Vec<u8> as ::tamarack::__private::KeyPart>::encode(field_1, out);
        }
        fn encode_last(&self, out: &mut ::tamarack::__private::KeyBuf) {
            let Self { country: field_0, city: field_1 } = self;
            <String as ::tamarack::__private::KeyPart>::encode(field_0, out);
            <Vec<u8> as ::tamarack::__private::KeyPart>::encode_last(field_1, out);
        }
        fn decode(
            input: &mut &[::tamarack::__private::core::primitive::u8],
        ) -> ::tamarack::__private::core::result::Result<
            Self,
            ::tamarack::__private::DecodeError,
        > {
            let field_0 = <String as ::tamarack::__private::KeyPart>::decode(input)?;
            let field_1 = <Vec<u8> as ::tamarack::__private::KeyPart>::decode(input)?;
            ::tamarack::__private::core::result::Result::Ok(Self {
                country: field_0,
                city: field_1,
            })
        }
        fn decode_last(
            input: &mut &[::tamarack::__private::core::primitive::u8],
        ) -> ::tamarack::__private::core::result::Result<
            Self,
            ::tamarack::__private::DecodeError,
        > {
            let field_0 = <String as ::tamarack::__private::KeyPart>::decode(input)?;
            let field_1 = <Vec<
                u8,
            > as ::tamarack::__private::KeyPart>::decode_last(input)?;
            ::tamarack::__private::core::result::Result::Ok(Self {
                country: field_0,
                city: field_1,
            })
        }
        fn describe() -> ::tamarack::__private::ShapeDef {
            ::tamarack::__private::ShapeDef::structure(
                "Place",
                ::tamarack::__private::std::vec![
                    ("country", < String as ::tamarack::__private::KeyPart >
                    ::describe()), ("city", < Vec < u8 > as
                    ::tamarack::__private::KeyPart > ::describe())
                ],
            )
        }
    }
    ::tamarack::__private::key_args!(Place);
};
