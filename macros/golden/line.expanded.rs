const _: () = {
    #[automatically_derived]
    #[allow(unused_variables, unused_mut)]
    impl ::tamarack::__private::Shape for Line {
        const FIXED: ::tamarack::__private::core::option::Option<
            ::tamarack::__private::core::primitive::usize,
        > = ::tamarack::__private::core::option::Option::None;
        fn encode(
            &self,
            out: &mut ::tamarack::__private::std::vec::Vec<
                ::tamarack::__private::core::primitive::u8,
            >,
        ) {
            let Self(field_0, field_1) = self;
            let mut writer = ::tamarack::__private::FieldsWriter::new(out);
            <String as ::tamarack::__private::Shape>::write_fixed(field_0, &mut writer);
            <u32 as ::tamarack::__private::Shape>::write_fixed(field_1, &mut writer);
            <String as ::tamarack::__private::Shape>::write_variable(
                field_0,
                &mut writer,
            );
            <u32 as ::tamarack::__private::Shape>::write_variable(field_1, &mut writer);
        }
        fn decode(
            input: &mut &[::tamarack::__private::core::primitive::u8],
        ) -> ::tamarack::__private::core::result::Result<
            Self,
            ::tamarack::__private::DecodeError,
        > {
            let mut reader = ::tamarack::__private::FieldsReader::new(input);
            let field_0 = <String as ::tamarack::__private::Shape>::read_fixed(
                &mut reader,
                "0",
            )?;
            let field_1 = <u32 as ::tamarack::__private::Shape>::read_fixed(
                &mut reader,
                "1",
            )?;
            let field_0 = <String as ::tamarack::__private::Shape>::read_variable(
                &mut reader,
                "0",
                field_0,
            )?;
            let field_1 = <u32 as ::tamarack::__private::Shape>::read_variable(
                &mut reader,
                "1",
                field_1,
            )?;
            reader.finish()?;
            ::tamarack::__private::core::result::Result::Ok(Self(field_0, field_1))
        }
        fn describe() -> ::tamarack::__private::ShapeDef {
            ::tamarack::__private::ShapeDef::structure(
                "Line",
                ::tamarack::__private::std::vec![
                    ("0", < String as ::tamarack::__private::Shape > ::describe()), ("1",
                    < u32 as ::tamarack::__private::Shape > ::describe())
                ],
            )
        }
    }
};
