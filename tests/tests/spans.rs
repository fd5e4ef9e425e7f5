//! What a program that uses `tracing` sees of a database's own work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tamarack::{Database, Durability, Options, TableDef};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Each span's name and fields.
type Seen = Arc<Mutex<Vec<(&'static str, BTreeMap<&'static str, String>)>>>;

struct Collector(Seen);

struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "tamarack"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(BTreeMap::new());
        span.record(&mut fields);
        let mut seen = self.0.lock().unwrap();
        seen.push((span.metadata().name(), fields.0));
        Id::from_u64(seen.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn flushes_applies_checkpoints_and_recoveries_are_spans() {
    const NOTES: TableDef<u64, String> = TableDef::new("notes");
    let seen = Seen::default();
    tracing::subscriber::set_global_default(Collector(Arc::clone(&seen))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spans.tam");
    for round in 0..2 {
        let db: Database<()> = Options::new().open(&path).unwrap();
        let tx = db.begin_write().unwrap();
        tx.open_table(&NOTES).unwrap().insert(round, "a note").unwrap();
        tx.commit_with(Durability::Synced).unwrap();
        db.checkpoint().unwrap();
        db.close().unwrap();
    }
    let seen = seen.lock().unwrap();
    let fields =
        |wanted: &str| seen.iter().filter(|(name, _)| *name == wanted).map(|(_, fields)| fields).collect::<Vec<_>>();
    let flushes = fields("flush");
    assert_eq!(flushes.len(), 2, "{seen:?}");
    assert!(flushes.iter().all(|fields| fields["synced"] == "true" && fields["bytes"].parse::<u64>().unwrap() >= 512));
    assert!(fields("apply").iter().any(|fields| fields["commits"] == "1"));
    assert!(fields("checkpoint").len() >= 2);
    assert_eq!(fields("recover").len(), 2);
}
