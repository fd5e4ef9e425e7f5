use tamarack::Record;

#[derive(Record)]
struct Customer {
    #[record(key)]
    id: u32,
    address: Address,
}

struct Address;

fn main() {}
