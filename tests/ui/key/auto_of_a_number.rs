use tamarack::Record;

#[derive(Record)]
struct Customer {
    #[record(key(auto))]
    id: u64,
}

fn main() {}
