struct Customer {
    #[record(key)]
    id: u32,
    #[record(uniqe)]
    email: String,
    #[record(index)]
    age: u16,
}
