use tamarack::Record;

#[derive(Record)]
enum Customer {
    One,
}

fn main() {}
