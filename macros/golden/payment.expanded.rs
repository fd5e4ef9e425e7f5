const _: () = {
    #[automatically_derived]
    #[allow(unused_variables, unused_mut)]
    impl ::tamarack::__private::Shape for Payment {
        const FIXED: ::tamarack::__private::core::option::Option<
            ::tamarack::__private::core::primitive::usize,
        > = ::tamarack::__private::core::option::Option::None;
        fn encode(
            &self,
            out: &mut ::tamarack::__private::std::vec::Vec<
                ::tamarack::__private::core::primitive::u8,
            >,
        ) {
            match self {
                Self::Cash => {
                    let mut writer = ::tamarack::__private::FieldsWriter::tagged(
                        out,
                        0u32,
                    );
                }
                Self::Card { last_digits: field_0 } => {
                    let mut writer = ::tamarack::__private::FieldsWriter::tagged(
                        out,
                        1u32,
                    );
                    <u16 as ::tamarack::__private::Shape>::write_fixed(
                        field_0,
                        &mut writer,
                    );
                    <u16 as ::tamarack::__private::Shape>::write_variable(
                        field_0,
                        &mut writer,
                    );
                }
                Self::Voucher(field_0) => {
                    let mut writer = ::tamarack::__private::FieldsWriter::tagged(
                        out,
                        2u32,
                    );
                    <String as ::tamarack::__private::Shape>::write_fixed(
                        field_0,
                        &mut writer,
                    );
                    <String as ::tamarack::__private::Shape>::write_variable(
                        field_0,
                        &mut writer,
                    );
                }
            }
        }
        fn decode(
            input: &mut &[::tamarack::__private::core::primitive::u8],
        ) -> ::tamarack::__private::core::result::Result<
            Self,
            ::tamarack::__private::DecodeError,
        > {
            let (tag, mut reader) = ::tamarack::__private::FieldsReader::tagged(input)?;
            match tag {
                0u32 => {
                    reader.finish()?;
                    ::tamarack::__private::core::result::Result::Ok(Self::Cash)
                }
                1u32 => {
                    let field_0 = <u16 as ::tamarack::__private::Shape>::read_fixed(
                        &mut reader,
                        "last_digits",
                    )?;
                    let field_0 = <u16 as ::tamarack::__private::Shape>::read_variable(
                        &mut reader,
                        "last_digits",
                        field_0,
                    )?;
                    reader.finish()?;
                    ::tamarack::__private::core::result::Result::Ok(Self::Card {
                        last_digits: field_0,
                    })
                }
                2u32 => {
                    let field_0 = <String as ::tamarack::__private::Shape>::read_fixed(
                        &mut reader,
                        "0",
                    )?;
                    let field_0 = <String as ::tamarack::__private::Shape>::read_variable(
                        &mut reader,
                        "0",
                        field_0,
                    )?;
                    reader.finish()?;
                    ::tamarack::__private::core::result::Result::Ok(
                        Self::Voucher(field_0),
                    )
                }
                tag => {
                    ::tamarack::__private::core::result::Result::Err(
                        ::tamarack::__private::DecodeError::tag("Payment", tag),
                    )
                }
            }
        }
        fn describe() -> ::tamarack::__private::ShapeDef {
            ::tamarack::__private::ShapeDef::enumeration(
                "Payment",
                ::tamarack::__private::std::vec![
                    ("Cash", 0u32, ::tamarack::__private::std::vec![]), ("Card", 1u32,
                    ::tamarack::__private::std::vec![("last_digits", < u16 as
                    ::tamarack::__private::Shape > ::describe())]), ("Voucher", 2u32,
                    ::tamarack::__private::std::vec![("0", < String as
                    ::tamarack::__private::Shape > ::describe())])
                ],
            )
        }
    }
};
