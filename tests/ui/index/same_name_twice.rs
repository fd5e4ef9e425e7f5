use tamarack::Record;

#[derive(Record)]
#[record(index(age = (age, city)))]
struct Customer {
    #[record(key)]
    id: u32,
    city: String,
    #[record(index)]
    age: u16,
}

fn main() {}
