use tamarack::Record;

#[derive(Record)]
struct Customer {
    #[record(key)]
    id: u32,
    #[record(key)]
    name: String,
}

fn main() {}
