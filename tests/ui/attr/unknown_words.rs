use tamarack::Record;

#[derive(Record)]
#[record(tabel = "customers", index(city_age = (city, agee)))]
struct Customer {
    #[record(key)]
    id: u32,
    #[record(uniqe)]
    email: String,
    city: String,
    age: u16,
}

fn main() {}
