use tamarack::Shape;

#[derive(Shape)]
struct Folder {
    name: String,
    folders: Vec<Folder>,
}

fn main() {}
