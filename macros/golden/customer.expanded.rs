const _: () = {
    #[automatically_derived]
    impl ::tamarack::__private::Record for Customer {
        type Key = Id<Customer>;
        type KeyParts = (Id<Customer>,);
        const AUTO: ::tamarack::__private::core::primitive::bool = {
            <Id<Customer> as ::tamarack::__private::AutoKey<Self>>::ASSIGNABLE;
            true
        };
        fn definition() -> ::tamarack::__private::RecordDef {
            ::tamarack::__private::RecordDef::new::<
                Self,
            >("Customer", "customers", &["id"])
                .field("email", <String as ::tamarack::__private::Shape>::describe())
                .field("city", <String as ::tamarack::__private::Shape>::describe())
                .field("age", <u16 as ::tamarack::__private::Shape>::describe())
                .field("tags", <Vec<String> as ::tamarack::__private::Shape>::describe())
                .field("extra", ::tamarack::__private::ShapeDef::Opaque)
                .index(
                    ::tamarack::__private::IndexDef::new("city_age")
                        .part(
                            "city",
                            <String as ::tamarack::__private::KeyPart>::describe(),
                        )
                        .part_desc(
                            "age",
                            <u16 as ::tamarack::__private::KeyPart>::describe(),
                        ),
                )
                .index(
                    ::tamarack::__private::IndexDef::new("email")
                        .unique()
                        .part(
                            "email",
                            <String as ::tamarack::__private::KeyPart>::describe(),
                        ),
                )
                .index(
                    ::tamarack::__private::IndexDef::new("tags")
                        .each(
                            "tags",
                            <<Vec<
                                String,
                            > as ::tamarack::__private::Each>::Element as ::tamarack::__private::KeyPart>::describe(),
                        ),
                )
        }
        fn key(&self) -> Self::Key {
            ::tamarack::__private::core::clone::Clone::clone(&self.id)
        }
        fn encode_key(&self, __out: &mut ::tamarack::__private::KeyBuf) {
            ::tamarack::__private::encode_single_key::<Self>(&self.id, __out)
        }
        #[allow(unused_variables)]
        fn encode_row(
            &self,
            __row: &mut ::tamarack::__private::RowWriter<'_>,
        ) -> ::tamarack::__private::core::result::Result<
            (),
            ::tamarack::__private::EncodeError,
        > {
            <String as ::tamarack::__private::Shape>::write_fixed(&self.email, __row);
            <String as ::tamarack::__private::Shape>::write_fixed(&self.city, __row);
            <u16 as ::tamarack::__private::Shape>::write_fixed(&self.age, __row);
            <Vec<
                String,
            > as ::tamarack::__private::Shape>::write_fixed(&self.tags, __row);
            <String as ::tamarack::__private::Shape>::write_variable(&self.email, __row);
            <String as ::tamarack::__private::Shape>::write_variable(&self.city, __row);
            <u16 as ::tamarack::__private::Shape>::write_variable(&self.age, __row);
            <Vec<
                String,
            > as ::tamarack::__private::Shape>::write_variable(&self.tags, __row);
            __row.opaque::<Extra>(&self.extra)?;
            ::tamarack::__private::core::result::Result::Ok(())
        }
        #[allow(unused_variables)]
        fn decode_row(
            __key: Self::Key,
            __row: &mut ::tamarack::__private::RowReader<'_>,
        ) -> ::tamarack::__private::core::result::Result<
            Self,
            ::tamarack::__private::DecodeError,
        > {
            let __field_0 = __key;
            let __field_1 = <String as ::tamarack::__private::Shape>::read_fixed(
                __row,
                "email",
            )?;
            let __field_2 = <String as ::tamarack::__private::Shape>::read_fixed(
                __row,
                "city",
            )?;
            let __field_3 = <u16 as ::tamarack::__private::Shape>::read_fixed(
                __row,
                "age",
            )?;
            let __field_4 = <Vec<
                String,
            > as ::tamarack::__private::Shape>::read_fixed(__row, "tags")?;
            let __field_1 = <String as ::tamarack::__private::Shape>::read_variable(
                __row,
                "email",
                __field_1,
            )?;
            let __field_2 = <String as ::tamarack::__private::Shape>::read_variable(
                __row,
                "city",
                __field_2,
            )?;
            let __field_3 = <u16 as ::tamarack::__private::Shape>::read_variable(
                __row,
                "age",
                __field_3,
            )?;
            let __field_4 = <Vec<
                String,
            > as ::tamarack::__private::Shape>::read_variable(__row, "tags", __field_4)?;
            let __field_5 = __row.opaque::<Extra>("extra")?;
            ::tamarack::__private::core::result::Result::Ok(Self {
                id: __field_0,
                email: __field_1,
                city: __field_2,
                age: __field_3,
                tags: __field_4,
                extra: __field_5,
            })
        }
        #[allow(unused_variables)]
        fn index_entries(
            &self,
            __number: ::tamarack::__private::core::primitive::usize,
            __sink: &mut ::tamarack::__private::IndexSink<'_>,
        ) {
            match __number {
                0usize => {
                    <String as ::tamarack::__private::KeyPart>::sink(&self.city, __sink);
                    <u16 as ::tamarack::__private::KeyPart>::sink_desc(
                        &self.age,
                        __sink,
                    );
                }
                1usize => {
                    <String as ::tamarack::__private::KeyPart>::sink(
                        &self.email,
                        __sink,
                    );
                }
                2usize => {
                    <Vec<
                        String,
                    > as ::tamarack::__private::Each>::sink(&self.tags, __sink);
                }
                _ => {}
            }
        }
    }
    #[automatically_derived]
    #[allow(dead_code)]
    impl Customer {
        ///The index over `city`, then `age` (descending). Start a query here.
        pub const CITY_AGE: ::tamarack::__private::Index<
            Customer,
            (String, ::tamarack::__private::Desc<u16>),
            ::tamarack::__private::NonUnique,
        > = ::tamarack::__private::Index::new(0usize);
        ///The unique index over `email`: at most one record for each key. Start a query or `find` here.
        pub const EMAIL: ::tamarack::__private::Index<
            Customer,
            (String,),
            ::tamarack::__private::Unique,
        > = ::tamarack::__private::Index::new(1usize);
        ///The index over each element of `tags`. Start a query here.
        pub const TAGS: ::tamarack::__private::Index<
            Customer,
            (<Vec<String> as ::tamarack::__private::Each>::Element,),
            ::tamarack::__private::NonUnique,
        > = ::tamarack::__private::Index::new(2usize);
    }
};
