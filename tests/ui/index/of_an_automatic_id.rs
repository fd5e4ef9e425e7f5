use tamarack::{Id, Record};

#[derive(Record)]
#[record(index(city_id = (city, id)))]
struct Customer {
    #[record(key(auto))]
    id: Id<Customer>,
    city: String,
}

fn main() {}
