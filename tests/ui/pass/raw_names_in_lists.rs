use tamarack::{Database, Record, Schema};

#[derive(Record)]
#[record(index(kind = (type)))]
struct Part {
    #[record(key)]
    id: u32,
    r#type: String,
}

#[derive(Record)]
#[record(key(r#in, match), index(by = (r#name)))]
struct Road {
    r#in: u32,
    r#match: u32,
    name: String,
}

#[derive(Schema)]
struct Shop(Part, Road);

fn main() {
    let db = Database::<Shop>::in_memory().unwrap();
    db.write(|tx| {
        tx.table::<Part>()?.insert(Part { id: 1, r#type: "wheel".into() })?;
        tx.table::<Road>()?.insert(Road { r#in: 1, r#match: 2, name: "Oak".into() })?;
        assert_eq!(tx.table::<Part>()?.query(Part::KIND.at("wheel")).count(), 1);
        assert_eq!(tx.table::<Road>()?.query(Road::BY.at("Oak")).count(), 1);
        Ok(())
    })
    .unwrap();
}
