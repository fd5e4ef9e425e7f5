const _: () = {
    #[automatically_derived]
    #[allow(unused_variables, unused_mut)]
    impl ::tamarack::__private::Shape for Line {
        const FIXED: ::tamarack::__private::core::option::Option<
            ::tamarack::__private::core::primitive::usize,
        > = ::tamarack::__private::core::option::Option::None;
        fn encode(
            &self,
            __out: &mut ::tamarack::__private::std::vec::Vec<
                ::tamarack::__private::core::primitive::u8,
            >,
        ) {
            let Self(__field_0, __field_1) = self;
            let mut __writer = ::tamarack::__private::FieldsWriter::new(__out);
            <String as ::tamarack::__private::Shape>::write_fixed(
                __field_0,
                &mut __writer,
            );
            <u32 as ::tamarack::__private::Shape>::write_fixed(__field_1, &mut __writer);
            <String as ::tamarack::__private::Shape>::write_variable(
                __field_0,
                &mut __writer,
            );
            <u32 as ::tamarack::__private::Shape>::write_variable(
                __field_1,
                &mut __writer,
            );
        }
        fn decode(
            __input: &mut &[::tamarack::__private::core::primitive::u8],
        ) -> ::tamarack::__private::core::result::Result<
            Self,
            ::tamarack::__private::DecodeError,
        > {
            let mut __reader = ::tamarack::__private::FieldsReader::new(__input);
            let __field_0 = <String as ::tamarack::__private::Shape>::read_fixed(
                &mut __reader,
                "0",
            )?;
            let __field_1 = <u32 as ::tamarack::__private::Shape>::read_fixed(
                &mut __reader,
                "1",
            )?;
            let __field_0 = <String as ::tamarack::__private::Shape>::read_variable(
                &mut __reader,
                "0",
                __field_0,
            )?;
            let __field_1 = <u32 as ::tamarack::__private::Shape>::read_variable(
                &mut __reader,
                "1",
                __field_1,
            )?;
            __reader.finish()?;
            ::tamarack::__private::core::result::Result::Ok(Self(__field_0, __field_1))
        }
        fn describe() -> ::tamarack::__private::ShapeDef {
            ::tamarack::__private::ShapeDef::of_type::<
                Self,
            >(
                "Line",
                || ::tamarack::__private::ShapeDef::structure(
                    "Line",
                    ::tamarack::__private::std::vec![
                        ("0", < String as ::tamarack::__private::Shape > ::describe()),
                        ("1", < u32 as ::tamarack::__private::Shape > ::describe())
                    ],
                ),
            )
        }
    }
};
