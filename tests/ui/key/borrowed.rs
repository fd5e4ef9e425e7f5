use tamarack::Record;

#[derive(Record)]
struct Customer {
    #[record(key)]
    name: &'static str,
}

fn main() {}
