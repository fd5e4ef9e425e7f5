//! What the suites share: a small shop.

#![forbid(unsafe_code)]

use tamarack::{Id, Record, Schema, Shape, Timestamp};

/// A customer.
#[derive(Record, Debug, Clone, PartialEq)]
#[record(table = "customers", index(city_age = (city, desc age)))]
pub struct Customer {
    /// Assigned on insert.
    #[record(key(auto))]
    pub id: Id<Customer>,
    /// At most one customer has it; many have none.
    #[record(unique)]
    pub email: Option<String>,
    /// Where they live.
    pub city: String,
    /// In years.
    pub age: u16,
    /// Words about them.
    #[record(index(each))]
    pub tags: Vec<String>,
}

/// An order.
#[derive(Record, Debug, Clone, PartialEq)]
#[record(key(buyer, number), index(placed = (placed, buyer), unique))]
pub struct Order {
    /// Who bought.
    pub buyer: Id<Customer>,
    /// Counted for each buyer.
    pub number: u32,
    /// When.
    pub placed: Timestamp,
    /// What.
    pub lines: Vec<Line>,
    /// How far it is.
    pub state: State,
}

/// A line of an order.
#[derive(Shape, Debug, Clone, PartialEq)]
pub struct Line {
    /// What.
    pub sku: String,
    /// How many.
    pub quantity: u32,
}

/// How far an order is.
#[derive(Shape, Debug, Clone, PartialEq)]
pub enum State {
    /// It is being put together.
    Open,
    /// It left.
    Sent {
        /// When.
        at: Timestamp,
        /// How.
        by: String,
    },
    /// It came back, and why.
    Returned(String),
}

/// What a shop's file holds.
#[derive(Schema)]
pub struct Shop(Customer, Order);

/// A customer without email and tags.
#[must_use]
pub fn customer(city: &str, age: u16) -> Customer {
    Customer { id: Id::AUTO, email: None, city: city.to_owned(), age, tags: Vec::new() }
}
