#![deny(warnings, missing_docs)]
//! Derives give no warnings.

use tamarack::{Database, Id, Record, Schema};

#[derive(Record)]
#[record(index(city_age = (city, desc age)))]
struct Customer {
    #[record(key(auto))]
    id: Id<Customer>,
    #[record(unique)]
    email: String,
    city: String,
    age: u16,
}

#[derive(Record)]
struct Order {
    #[record(key)]
    number: u32,
    #[record(index)]
    buyer: Id<Customer>,
}

#[derive(Schema)]
struct Shop(Customer, Order);

fn main() {
    let db = Database::<Shop>::in_memory().unwrap();
    db.write(|tx| tx.table::<Order>()?.insert(Order { number: 1, buyer: Id::new(1) })).unwrap();
    let customer = Customer { id: Id::AUTO, email: String::new(), city: String::new(), age: 1 };
    db.write(|tx| tx.table::<Customer>()?.insert(&customer)).unwrap();
}
