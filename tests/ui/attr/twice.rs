use tamarack::Record;

#[derive(Record)]
#[record(table = "a", table = "b")]
struct Customer {
    #[record(key, key)]
    id: u32,
}

fn main() {}
