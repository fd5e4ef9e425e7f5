#[record(table = "customers", index(city_age = (city, desc age)))]
pub struct Customer {
    #[record(key(auto))]
    id: Id<Customer>,
    #[record(unique)]
    email: String,
    city: String,
    age: u16,
    #[record(index(each))]
    tags: Vec<String>,
    #[record(bincode)]
    extra: Extra,
}
