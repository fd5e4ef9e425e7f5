use tamarack::{KeyPart, Shape};

mod v1 {
    use tamarack::{KeyPart, Shape};

    #[derive(KeyPart, Shape)]
    pub struct Address {
        pub street: String,
    }
}

#[derive(KeyPart, Shape)]
struct Address {
    street: String,
    before: Option<v1::Address>,
    earlier: Vec<self::v1::Address>,
}

fn main() {
    let before = v1::Address { street: "Oak".into() };
    let _ = Address { street: "Elm".into(), before: Some(before), earlier: Vec::new() };
    assert!(<Address as Shape>::describe().to_string().contains("before: option<struct Address { street: text }>"));
}
