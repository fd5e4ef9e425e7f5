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
        fn encode_key(&self, out: &mut ::tamarack::__private::KeyBuf) {
            ::tamarack::__private::encode_single_key::<Self>(&self.id, out)
        }
        #[allow(unused_variables)]
        fn encode_row(
            &self,
            row: &mut ::tamarack::__private::RowWriter<'_>,
        ) -> ::tamarack::__private::core::result::Result<
            (),
            ::tamarack::__private::EncodeError,
        > {
            <String as ::tamarack::__private::Shape>::write_fixed(&self.email, row);
            <String as ::tamarack::__private::Shape>::write_fixed(&self.city, row);
            <u16 as ::tamarack::__private::Shape>::write_fixed(&self.age, row);
            <Vec<String> as ::tamarack::__private::Shape>::write_fixed(&self.tags, row);
            <String as ::tamarack::__private::Shape>::write_variable(&self.email, row);
            <String as ::tamarack::__private::Shape>::write_variable(&self.city, row);
            <u16 as ::tamarack::__private::Shape>::write_variable(&self.age, row);
            <Vec<
                String,
            > as ::tamarack::__private::Shape>::write_variable(&self.tags, row);
            row.opaque::<Extra>(&self.extra)?;
            ::tamarack::__private::core::result::Result::Ok(())
        }
        #[allow(unused_variables)]
        fn decode_row(
            key: Self::Key,
            row: &mut ::tamarack::__private::RowReader<'_>,
        ) -> ::tamarack::__private::core::result::Result<
            Self,
            ::tamarack::__private::DecodeError,
        > {
            let field_0 = key;
            let field_1 = <String as ::tamarack::__private::Shape>::read_fixed(
                row,
                "email",
            )?;
            let field_2 = <String as ::tamarack::__private::Shape>::read_fixed(
                row,
                "city",
            )?;
            let field_3 = <u16 as ::tamarack::__private::Shape>::read_fixed(row, "age")?;
            let field_4 = <Vec<
                String,
            > as ::tamarack::__private::Shape>::read_fixed(row, "tags")?;
            let field_1 = <String as ::tamarack::__private::Shape>::read_variable(
                row,
                "email",
                field_1,
            )?;
            let field_2 = <String as ::tamarack::__private::Shape>::read_variable(
                row,
                "city",
                field_2,
            )?;
            let field_3 = <u16 as ::tamarack::__private::Shape>::read_variable(
                row,
                "age",
                field_3,
            )?;
            let field_4 = <Vec<
                String,
            > as ::tamarack::__private::Shape>::read_variable(row, "tags", field_4)?;
            let field_5 = row.opaque::<Extra>("extra")?;
            ::tamarack::__private::core::result::Result::Ok(Self {
                id: field_0,
                email: field_1,
                city: field_2,
                age: field_3,
                tags: field_4,
                extra: field_5,
            })
        }
        #[allow(unused_variables)]
        fn index_entries(
            &self,
            number: ::tamarack::__private::core::primitive::usize,
            sink: &mut ::tamarack::__private::IndexSink<'_>,
        ) {
            match number {
                0usize => {
                    <String as ::tamarack::__private::KeyPart>::sink(&self.city, sink);
                    <u16 as ::tamarack::__private::KeyPart>::sink_desc(&self.age, sink);
                }
                1usize => {
                    <String as ::tamarack::__private::KeyPart>::sink(&self.email, sink);
                }
                2usize => {
                    <Vec<String> as ::tamarack::__private::Each>::sink(&self.tags, sink);
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
