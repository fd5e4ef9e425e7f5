use tamarack::Shape;

#[derive(Shape)]
struct Folder {
    name: String,
    folders: Vec<self::Folder>,
}

fn main() {}
