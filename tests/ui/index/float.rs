use tamarack::Record;

#[derive(Record)]
struct Player {
    #[record(key)]
    id: u32,
    #[record(index)]
    score: f64,
}

fn main() {}
