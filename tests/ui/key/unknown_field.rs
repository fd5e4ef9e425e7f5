use tamarack::Record;

#[derive(Record)]
#[record(key(country, citty))]
struct Place {
    country: String,
    city: String,
}

fn main() {}
