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
            ::tamarack::__private::core::option::Option::Some(__payload) => {
                ::tamarack::__private::core::option::Option::Some(__payload + 2usize)
            }
            ::tamarack::__private::core::option::Option::None => {
                ::tamarack::__private::core::option::Option::None
            }
        };
        fn encode(&self, __out: &mut ::tamarack::__private::KeyBuf) {
            match self {
                Self::Open => {
                    __out.tag16(0u16);
                }
                Self::Closed { at: __field_0 } => {
                    __out.tag16(10u16);
                    <Timestamp as ::tamarack::__private::KeyPart>::encode(
                        __field_0,
                        __out,
                    );
                }
                Self::Moved(__field_0, __field_1) => {
                    __out.tag16(11u16);
                    <String as ::tamarack::__private::KeyPart>::encode(__field_0, __out);
                    <u8 as ::tamarack::__private::KeyPart>::encode(__field_1, __out);
                }
            }
        }
        fn encode_last(&self, __out: &mut ::tamarack::__private::KeyBuf) {
            match self {
                Self::Open => {
                    __out.tag16(0u16);
                }
                Self::Closed { at: __field_0 } => {
                    __out.tag16(10u16);
                    <Timestamp as ::tamarack::__private::KeyPart>::encode_last(
                        __field_0,
                        __out,
                    );
                }
                Self::Moved(__field_0, __field_1) => {
                    __out.tag16(11u16);
                    <String as ::tamarack::__private::KeyPart>::encode(__field_0, __out);
                    <u8 as ::tamarack::__private::KeyPart>::encode_last(
                        __field_1,
                        __out,
                    );
                }
            }
        }
        fn decode(
            __input: &mut &[::tamarack::__private::core::primitive::u8],
        ) -> ::tamarack::__private::core::result::Result<
            Self,
            ::tamarack::__private::DecodeError,
        > {
            match ::tamarack::__private::KeyBuf::take_tag16(__input)? {
                0u16 => ::tamarack::__private::core::result::Result::Ok(Self::Open),
                10u16 => {
                    let __field_0 = <Timestamp as ::tamarack::__private::KeyPart>::decode(
                        __input,
                    )?;
                    ::tamarack::__private::core::result::Result::Ok(Self::Closed {
                        at: __field_0,
                    })
                }
                11u16 => {
                    let __field_0 = <String as ::tamarack::__private::KeyPart>::decode(
                        __input,
                    )?;
                    let __field_1 = <u8 as ::tamarack::__private::KeyPart>::decode(
                        __input,
                    )?;
                    ::tamarack::__private::core::result::Result::Ok(
                        Self::Moved(__field_0, __field_1),
                    )
                }
                __tag => {
                    ::tamarack::__private::core::result::Result::Err(
                        ::tamarack::__private::DecodeError::tag(
                            "Status",
                            ::tamarack::__private::core::convert::Into::into(__tag),
                        ),
                    )
                }
            }
        }
        fn decode_last(
            __input: &mut &[::tamarack::__private::core::primitive::u8],
        ) -> ::tamarack::__private::core::result::Result<
            Self,
            ::tamarack::__private::DecodeError,
        > {
            match ::tamarack::__private::KeyBuf::take_tag16(__input)? {
                0u16 => ::tamarack::__private::core::result::Result::Ok(Self::Open),
                10u16 => {
                    let __field_0 = <Timestamp as ::tamarack::__private::KeyPart>::decode_last(
                        __input,
                    )?;
                    ::tamarack::__private::core::result::Result::Ok(Self::Closed {
                        at: __field_0,
                    })
                }
                11u16 => {
                    let __field_0 = <String as ::tamarack::__private::KeyPart>::decode(
                        __input,
                    )?;
                    let __field_1 = <u8 as ::tamarack::__private::KeyPart>::decode_last(
                        __input,
                    )?;
                    ::tamarack::__private::core::result::Result::Ok(
                        Self::Moved(__field_0, __field_1),
                    )
                }
                __tag => {
                    ::tamarack::__private::core::result::Result::Err(
                        ::tamarack::__private::DecodeError::tag(
                            "Status",
                            ::tamarack::__private::core::convert::Into::into(__tag),
                        ),
                    )
                }
            }
        }
        fn describe() -> ::tamarack::__private::ShapeDef {
            ::tamarack::__private::ShapeDef::of_type::<
                Self,
            >(
                "Status",
                || ::tamarack::__private::ShapeDef::key_enumeration(
                    "Status",
                    2u8,
                    ::tamarack::__private::std::vec![
                        ("Open", 0u32, ::tamarack::__private::std::vec![]), ("Closed",
                        10u32, ::tamarack::__private::std::vec![("at", < Timestamp as
                        ::tamarack::__private::KeyPart > ::describe())]), ("Moved",
                        11u32, ::tamarack::__private::std::vec![("0", < String as
                        ::tamarack::__private::KeyPart > ::describe()), ("1", < u8 as
                        ::tamarack::__private::KeyPart > ::describe())])
                    ],
                ),
            )
        }
    }
    ::tamarack::__private::key_args!(Status);
};
