const _: () = {
    #[automatically_derived]
    impl my::store::__private::Record for Seat {
        type Key = (u8, String);
        type KeyParts = (u8, String);
        fn definition() -> my::store::__private::RecordDef {
            my::store::__private::RecordDef::new::<
                Self,
            >("Seat", "seat", &["row", "type"])
                .field("price", <Option<u32> as my::store::__private::Shape>::describe())
                .index(
                    my::store::__private::IndexDef::new("price")
                        .unique()
                        .part(
                            "price",
                            <Option<u32> as my::store::__private::KeyPart>::describe(),
                        )
                        .part(
                            "type",
                            <String as my::store::__private::KeyPart>::describe(),
                        ),
                )
        }
        fn key(&self) -> Self::Key {
            (
                my::store::__private::core::clone::Clone::clone(&self.row),
                my::store::__private::core::clone::Clone::clone(&self.r#type),
            )
        }
        fn encode_key(&self, __out: &mut my::store::__private::KeyBuf) {
            <u8 as my::store::__private::KeyPart>::encode(&self.row, __out);
            <String as my::store::__private::KeyPart>::encode_last(&self.r#type, __out)
        }
        #[allow(unused_variables)]
        fn encode_row(
            &self,
            __row: &mut my::store::__private::RowWriter<'_>,
        ) -> my::store::__private::core::result::Result<
            (),
            my::store::__private::EncodeError,
        > {
            <Option<
                u32,
            > as my::store::__private::Shape>::write_fixed(&self.price, __row);
            <Option<
                u32,
            > as my::store::__private::Shape>::write_variable(&self.price, __row);
            my::store::__private::core::result::Result::Ok(())
        }
        #[allow(unused_variables)]
        fn decode_row(
            __key: Self::Key,
            __row: &mut my::store::__private::RowReader<'_>,
        ) -> my::store::__private::core::result::Result<
            Self,
            my::store::__private::DecodeError,
        > {
            let (__field_0, __field_1) = __key;
            let __field_2 = <Option<
                u32,
            > as my::store::__private::Shape>::read_fixed(__row, "price")?;
            let __field_2 = <Option<
                u32,
            > as my::store::__private::Shape>::read_variable(__row, "price", __field_2)?;
            my::store::__private::core::result::Result::Ok(Self {
                row: __field_0,
                r#type: __field_1,
                price: __field_2,
            })
        }
        #[allow(unused_variables)]
        fn index_entries(
            &self,
            __number: my::store::__private::core::primitive::usize,
            __sink: &mut my::store::__private::IndexSink<'_>,
        ) {
            match __number {
                0usize => {
                    <Option<
                        u32,
                    > as my::store::__private::KeyPart>::sink(&self.price, __sink);
                    <String as my::store::__private::KeyPart>::sink(
                        &self.r#type,
                        __sink,
                    );
                }
                _ => {}
            }
        }
    }
    #[automatically_derived]
    #[allow(dead_code)]
    impl Seat {
        ///The unique index over `price`, then `type`: at most one record for each key. Start a query or `find` here.
        const PRICE: my::store::__private::Index<
            Seat,
            (Option<u32>, String),
            my::store::__private::Unique,
        > = my::store::__private::Index::new(0usize);
    }
};
