use tamarack::Schema;

struct Customer;

#[derive(Schema)]
struct Shop(Customer);

fn main() {}
