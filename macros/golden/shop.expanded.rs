const _: () = {
    #[automatically_derived]
    impl ::tamarack::__private::Schema for Shop {
        const RECORDS: ::tamarack::__private::core::primitive::usize = 2usize;
        fn definitions() -> ::tamarack::__private::std::vec::Vec<
            ::tamarack::__private::RecordDef,
        > {
            let _ = |__schema: &Self| {
                let _ = &__schema.0;
                let _ = &__schema.1;
            };
            ::tamarack::__private::std::vec![
                < Customer as ::tamarack::__private::Record > ::definition(), < Order as
                ::tamarack::__private::Record > ::definition()
            ]
        }
    }
    #[automatically_derived]
    impl ::tamarack::__private::Has<Customer> for Shop {
        const POSITION: ::tamarack::__private::core::primitive::usize = 0usize;
    }
    #[automatically_derived]
    impl ::tamarack::__private::Has<Order> for Shop {
        const POSITION: ::tamarack::__private::core::primitive::usize = 1usize;
    }
};
