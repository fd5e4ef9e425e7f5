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
        customers.query(Customer::CITY_AGE.at("Oslo").range(18..=65)).count();
        customers.query(Customer::CITY_AGE.at(String::from("Oslo")).at(18)).count();
        customers.query(Customer::CITY_AGE.at(&String::from("Oslo")).range(..)).count();
        customers.find(Customer::EMAIL.at("anna@example.org"))?;
        customers.get(Id::new(1))?;
        customers.range(Id::new(1)..).keys().count();
        Ok(())
    })
}

fn main() {
    run(&Database::in_memory().unwrap()).unwrap();
}
