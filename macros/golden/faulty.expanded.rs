const _: () = {
    #[automatically_derived]
    impl ::tamarack::__private::Record for Customer {
        type Key = u32;
        type KeyParts = (u32,);
        fn definition() -> ::tamarack::__private::RecordDef {
            ::tamarack::__private::core::unreachable!()
        }
        fn key(&self) -> Self::Key {
            ::tamarack::__private::core::unreachable!()
        }
        fn encode_key(&self, _: &mut ::tamarack::__private::KeyBuf) {}
        fn encode_row(
            &self,
            _: &mut ::tamarack::__private::RowWriter<'_>,
        ) -> ::tamarack::__private::core::result::Result<
            (),
            ::tamarack::__private::EncodeError,
        > {
            ::tamarack::__private::core::unreachable!()
        }
        fn decode_row(
            _: Self::Key,
            _: &mut ::tamarack::__private::RowReader<'_>,
        ) -> ::tamarack::__private::core::result::Result<
            Self,
            ::tamarack::__private::DecodeError,
        > {
            ::tamarack::__private::core::unreachable!()
        }
        fn index_entries(
            &self,
            _: ::tamarack::__private::core::primitive::usize,
            _: &mut ::tamarack::__private::IndexSink<'_>,
        ) {}
    }
    #[automatically_derived]
    #[allow(dead_code)]
    impl Customer {
        ///The index over `age`. Start a query here.
        const AGE: ::tamarack::__private::Index<
            Customer,
            (u16,),
            ::tamarack::__private::NonUnique,
        > = ::tamarack::__private::Index::new(0usize);
    }
};
::core::compile_error! {
    "unknown word `uniqe`, did you mean `unique`? accepted here: `bincode`, `index`, `key`, `unique`"
}
