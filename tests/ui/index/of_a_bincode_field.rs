use tamarack::Record;

#[derive(Record)]
struct Customer {
    #[record(key)]
    id: u32,
    #[record(bincode, index)]
    extra: Vec<u8>,
}

fn main() {}
