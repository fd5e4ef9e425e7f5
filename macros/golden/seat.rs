#[record(key(row, r#type), index(price = (price, r#type), unique), crate = "my::store")]
struct Seat {
    row: u8,
    r#type: String,
    price: Option<u32>,
}
