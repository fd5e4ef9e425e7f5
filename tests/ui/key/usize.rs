use tamarack::Record;

#[derive(Record)]
struct Page {
    #[record(key)]
    number: usize,
}

fn main() {}
