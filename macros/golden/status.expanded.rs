const _: () = {
    #[automatically_derived]
    #[allow(unused_variables)]
    impl ::tamarack::__private::KeyPart for Status {
        const FIXED: ::tamarack::__private::core::option::Option<
            ::tamarack::__private::core::primitive::usize,
        > = match ::tamarack::__private::KeyBuf::same(
            &[
                ::tamarack::__private::KeyBuf::sum(&[]),
                ::tamarack::__private::KeyBuf::sum(
                    &[<Timestamp as ::tamarack::__private::KeyPart>::FIXED],
                ),
                ::tamarack::__private::KeyBuf::sum(
                    &[
                        <String as ::tamarack::__private::KeyPart>::FIXED,
                        <u8 as ::tamarack::__private::KeyPart>::FIXED,
                    ],
                ),
            ],
        ) {
            ::tamarack::__private::core::option::Option::Some(width) => {
                ::tamarack::__private::core::option::Option::Some(width + 2usize)
            }
            ::tamarack::__private::core::option::Option::None => {
                ::tamarack::__private::core::option::Option::None
            }
        };
        fn encode(&self, out: &mut ::tamarack::__private::KeyBuf) {
            match self {
                Self::Open => {
                    out.tag16(0u16);
                }
                Self::Closed { at: field_0 } => {
                    out.tag16(10u16);
                    <Timestamp as ::tamarack::__private::KeyPart>::encode(field_0, out);
                }
                Self::Moved(field_0, field_1) => {
                    out.tag16(11u16);
                    <String as ::tamarack::__private::KeyPart>::encode(field_0, out);
                    <u8 as ::tamarack::__private::KeyPart>::encode(field_1, out);
                }
            }
        }
        fn encode_last(&self, out: &mut ::tamarack::__private::KeyBuf) {
            match self {
                Self::Open => {
                    out.tag16(0u16);
                }
                Self::Closed { at: field_0 } => {
                    out.tag16(10u16);
                    <Timestamp as ::tamarack::__private::KeyPart>::encode_last(
                        field_0,
                        out,
                    );
                }
                Self::Moved(field_0, field_1) => {
                    out.tag16(11u16);
                    <String as ::tamarack::__private::KeyPart>::encode(field_0, out);
                    <u8 as ::tamarack::__private::KeyPart>::encode_last(field_1, out);
                }
            }
        }
        fn decode(
            input: &mut &[::tamarack::__private::core::primitive::u8],
        ) -> ::tamarack::__private::core::result::Result<
            Self,
            ::tamarack::__private::DecodeError,
        > {
            match ::tamarack::__private::KeyBuf::take_tag16(input)? {
                0u16 => ::tamarack::__private::core::result::Result::Ok(Self::Open),
                10u16 => {
                    let field_0 = <Timestamp as ::tamarack::__private::KeyPart>::decode(
                        input,
                    )?;
                    ::tamarack::__private::core::result::Result::Ok(Self::Closed {
                        at: field_0,
                    })
                }
                11u16 => {
                    let field_0 = <String as ::tamarack::__private::KeyPart>::decode(
                        input,
                    )?;
                    let field_1 = <u8 as ::tamarack::__private::KeyPart>::decode(input)?;
                    ::tamarack::__private::core::result::Result::Ok(
                        Self::Moved(field_0, field_1),
                    )
                }
                tag => {
                    ::tamarack::__private::core::result::Result::Err(
                        ::tamarack::__private::DecodeError::tag(
                            "Status",
                            ::tamarack::__private::core::convert::Into::into(tag),
                        ),
                    )
                }
            }
        }
        fn decode_last(
            input: &mut &[::tamarack::__private::core::primitive::u8],
        ) -> ::tamarack::__private::core::result::Result<
            Self,
            ::tamarack::__private::DecodeError,
        > {
            match ::tamarack::__private::KeyBuf::take_tag16(input)? {
                0u16 => ::tamarack::__private::core::result::Result::Ok(Self::Open),
                10u16 => {
                    let field_0 = <Timestamp as ::tamarack::__private::KeyPart>::decode_last(
                        input,
                    )?;
                    ::tamarack::__private::core::result::Result::Ok(Self::Closed {
                        at: field_0,
                    })
                }
                11u16 => {
                    let field_0 = <String as ::tamarack::__private::KeyPart>::decode(
                        input,
                    )?;
                    let field_1 = <u8 as ::tamarack::__private::KeyPart>::decode_last(
                        input,
                    )?;
                    ::tamarack::__private::core::result::Result::Ok(
                        Self::Moved(field_0, field_1),
                    )
                }
                tag => {
                    ::tamarack::__private::core::result::Result::Err(
                        ::tamarack::__private::DecodeError::tag(
                            "Status",
                            ::tamarack::__private::core::convert::Into::into(tag),
                        ),
                    )
                }
            }
        }
        fn describe() -> ::tamarack::__private::ShapeDef {
            ::tamarack::__private::ShapeDef::key_enumeration(
                "Status",
                2u8,
                ::tamarack::__private::std::vec![
                    ("Open", 0u32, ::tamarack::__private::std::vec![]), ("Closed", 10u32,
                    ::tamarack::__private::std::vec![("at", < Timestamp as
                    ::tamarack::__private::KeyPart > ::describe())]), ("Moved", 11u32,
                    ::tamarack::__private::std::vec![("0", < String as
                    ::tamarack::__private::KeyPart > ::describe()), ("1", < u8 as
                    ::tamarack::__private::KeyPart > ::describe())])
                ],
            )
        }
    }
    ::tamarack::__private::key_args!(Status);
};
