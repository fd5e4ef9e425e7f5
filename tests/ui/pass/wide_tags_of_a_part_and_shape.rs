use tamarack::{Database, KeyPart, Record, Schema, Shape};

#[derive(KeyPart, Shape, Clone, Debug, PartialEq)]
#[record(tag_width = 16)]
enum Status {
    Open,
    #[record(tag = 300)]
    Closed,
}

#[derive(Record)]
struct Ticket {
    #[record(key)]
    number: u32,
    #[record(index)]
    status: Status,
}

#[derive(Schema)]
struct Desk(Ticket);

fn main() {
    let db = Database::<Desk>::in_memory().unwrap();
    db.write(|tx| {
        let mut tickets = tx.table::<Ticket>()?;
        tickets.insert(Ticket { number: 1, status: Status::Closed })?;
        assert_eq!(tickets.query(Ticket::STATUS.at(Status::Open)).count(), 0);
        assert_eq!(tickets.query(Ticket::STATUS.at(Status::Closed)).count(), 1);
        assert_eq!(tickets.get(1)?.map(|ticket| ticket.status), Some(Status::Closed));
        Ok(())
    })
    .unwrap();
}
