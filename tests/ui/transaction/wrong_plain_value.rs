use tamarack::{Database, TableDef};

const HITS: TableDef<String, u64> = TableDef::new("hits");

fn run(db: &Database<()>) -> tamarack::Result<()> {
    db.write(|tx| tx.open_table(&HITS)?.insert("/", "one").map(|_| ()))
}

fn main() {}
