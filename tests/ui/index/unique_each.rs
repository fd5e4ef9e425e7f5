use tamarack::Record;

#[derive(Record)]
struct Customer {
    #[record(key)]
    id: u32,
    #[record(unique, index(each))]
    tags: Vec<String>,
}

fn main() {}
