const _: () = {
    #[automatically_derived]
    #[allow(unused_variables, unused_mut)]
    impl ::tamarack::__private::Shape for Payment {
        const FIXED: ::tamarack::__private::core::option::Option<
            ::tamarack::__private::core::primitive::usize,
        > = ::tamarack::__private::core::option::Option::None;
        fn encode(
            &self,
            __out: &mut ::tamarack::__private::std::vec::Vec<
                ::tamarack::__private::core::primitive::u8,
            >,
        ) {
            match self {
                Self::Cash => {
                    let mut __writer = ::tamarack::__private::FieldsWriter::tagged(
                        __out,
                        0u32,
                    );
                }
                Self::Card { last_digits: __field_0 } => {
                    let mut __writer = ::tamarack::__private::FieldsWriter::tagged(
                        __out,
                        1u32,
                    );
                    <u16 as ::tamarack::__private::Shape>::write_fixed(
                        __field_0,
                        &mut __writer,
                    );
                    <u16 as ::tamarack::__private::Shape>::write_variable(
                        __field_0,
                        &mut __writer,
                    );
                }
                Self::Voucher(__field_0) => {
                    let mut __writer = ::tamarack::__private::FieldsWriter::tagged(
                        __out,
                        2u32,
                    );
                    <String as ::tamarack::__private::Shape>::write_fixed(
                        __field_0,
                        &mut __writer,
                    );
                    <String as ::tamarack::__private::Shape>::write_variable(
                        __field_0,
                        &mut __writer,
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
            let (__tag, mut __reader) = ::tamarack::__private::FieldsReader::tagged(
                __input,
            )?;
            match __tag {
                0u32 => {
                    __reader.finish()?;
                    ::tamarack::__private::core::result::Result::Ok(Self::Cash)
                }
                1u32 => {
                    let __field_0 = <u16 as ::tamarack::__private::Shape>::read_fixed(
                        &mut __reader,
                        "last_digits",
                    )?;
                    let __field_0 = <u16 as ::tamarack::__private::Shape>::read_variable(
                        &mut __reader,
                        "last_digits",
                        __field_0,
                    )?;
                    __reader.finish()?;
                    ::tamarack::__private::core::result::Result::Ok(Self::Card {
                        last_digits: __field_0,
                    })
                }
                2u32 => {
                    let __field_0 = <String as ::tamarack::__private::Shape>::read_fixed(
                        &mut __reader,
                        "0",
                    )?;
                    let __field_0 = <String as ::tamarack::__private::Shape>::read_variable(
                        &mut __reader,
                        "0",
                        __field_0,
                    )?;
                    __reader.finish()?;
                    ::tamarack::__private::core::result::Result::Ok(
                        Self::Voucher(__field_0),
                    )
                }
                __tag => {
                    ::tamarack::__private::core::result::Result::Err(
                        ::tamarack::__private::DecodeError::tag("Payment", __tag),
                    )
                }
            }
        }
        fn describe() -> ::tamarack::__private::ShapeDef {
            ::tamarack::__private::ShapeDef::of_type::<
                Self,
            >(
                "Payment",
                || ::tamarack::__private::ShapeDef::enumeration(
                    "Payment",
                    ::tamarack::__private::std::vec![
                        ("Cash", 0u32, ::tamarack::__private::std::vec![]), ("Card",
                        1u32, ::tamarack::__private::std::vec![("last_digits", < u16 as
                        ::tamarack::__private::Shape > ::describe())]), ("Voucher", 2u32,
                        ::tamarack::__private::std::vec![("0", < String as
                        ::tamarack::__private::Shape > ::describe())])
                    ],
                ),
            )
        }
    }
};
