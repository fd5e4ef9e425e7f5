use tamarack::Record;

#[derive(Record)]
struct Customer<T> {
    #[record(key)]
    id: u32,
    extra: T,
}

fn main() {}
