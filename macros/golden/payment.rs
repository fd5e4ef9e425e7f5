enum Payment { Cash, Card { last_digits: u16 }, Voucher(String) }
