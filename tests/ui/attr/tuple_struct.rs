use tamarack::Record;

#[derive(Record)]
struct Customer(u32, String);

fn main() {}
