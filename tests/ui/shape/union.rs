use tamarack::Shape;

#[derive(Shape)]
union Either {
    number: u32,
    bytes: [u8; 4],
}

fn main() {}
