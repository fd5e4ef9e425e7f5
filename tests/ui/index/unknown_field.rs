use tamarack::Record;

#[derive(Record)]
#[record(index(by_age = (city, agee)))]
struct Customer {
    #[record(key)]
    id: u32,
    city: String,
    age: u16,
}

fn main() {}
