use tamarack::{Database, TableDef};

const HITS: TableDef<String, u64> = TableDef::new("hits");

fn run(db: &Database<()>) -> tamarack::Result<()> {
    db.read(|tx| tx.open_table(&HITS)?.insert("/", 1).map(|_| ()))
}

fn main() {}
