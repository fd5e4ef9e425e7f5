struct Place { country: String, city: Vec<u8> }
