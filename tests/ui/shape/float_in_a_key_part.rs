use tamarack::KeyPart;

#[derive(KeyPart)]
struct Point {
    x: f64,
    y: u32,
}

fn main() {}
