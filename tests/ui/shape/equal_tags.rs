use tamarack::KeyPart;

#[derive(KeyPart)]
enum State {
    #[record(tag = 1)]
    Open,
    #[record(tag = 1)]
    Closed,
}

fn main() {}
