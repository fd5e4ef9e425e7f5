use tamarack::Record;

#[derive(Record)]
struct Reading {
    #[record(key)]
    at: f64,
}

fn main() {}
