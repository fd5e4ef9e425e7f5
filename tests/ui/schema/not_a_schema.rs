use tamarack::Database;

struct Shop;

fn main() {
    let _ = Database::<Shop>::in_memory();
}
