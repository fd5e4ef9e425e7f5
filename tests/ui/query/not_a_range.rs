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

fn run(db: &Database<Shop>) -> tamarack::Result<()> {
    db.read(|tx| {
        let customers = tx.table::<Customer>()?;
        customers.query(Customer::CITY_AGE.at("Oslo").range(18)).count();
        Ok(())
    })
}

fn main() {}
