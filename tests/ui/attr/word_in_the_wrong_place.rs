use tamarack::Record;

#[derive(Record)]
#[record(unique)]
struct Customer {
    #[record(key)]
    id: u32,
    #[record(table = "x")]
    name: String,
}

fn main() {}
