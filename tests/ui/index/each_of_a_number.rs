use tamarack::Record;

#[derive(Record)]
struct Player {
    #[record(key)]
    id: u32,
    #[record(index(each))]
    score: u32,
}

fn main() {}
