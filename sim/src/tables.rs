//! The tables that runs use. A row is a pair of numbers; here stands what bytes and records they mean.

use crate::model::{Rows, World};
use crate::report::violated;
use std::cmp::Reverse;
use tamarack::simulate::raw::{self, Reads};
use tamarack::{
    ErrorKind, Has, Id, KeyPart, ReadOnly, ReadTxn, ReadWrite, Record, RecordTable, Result, Schema, Shape, TableDef,
    WriteTxn,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// A tree below the tables: a key for each commit.
    Attempts,
    /// A tree below the tables: keys that share prefixes, some of them long.
    Tree,
    /// A tree below the tables: values of several pages.
    LargeTree,
    /// `String` to `u64`.
    Hits,
    /// `u64` to bytes.
    Blobs,
    /// A pair to an `Option`.
    Pairs,
    /// A record with four indexes.
    Customers,
    /// A record with a compound key.
    Orders,
}

#[derive(Record, Debug, Clone, PartialEq)]
#[record(table = "customers")]
#[record(index(city_age = (city, desc age)))]
pub(crate) struct Customer {
    #[record(key(auto))]
    id: Id<Customer>,
    #[record(unique)]
    email: String,
    city: String,
    age: u16,
    #[record(index(each))]
    tags: Vec<String>,
    note: Vec<u8>,
}

#[derive(Record, Debug, Clone, PartialEq)]
#[record(table = "orders", key(customer, number))]
pub(crate) struct Order {
    customer: u32,
    number: u32,
    #[record(index)]
    total: u64,
    #[record(index)]
    state: Option<String>,
}

#[derive(Schema)]
pub(crate) struct Shop(Customer, Order);

const HITS: TableDef<String, u64> = TableDef::new("hits");
const BLOBS: TableDef<u64, Vec<u8>> = TableDef::new("blobs");
const PAIRS: TableDef<(u32, String), Option<u32>> = TableDef::new("pairs");

/// Emails that customers share.
const EMAILS: u64 = 97;
/// Customers of this city are removed together,
const CITY: &str = "Oslo";
/// and orders below this total.
const SMALL: u64 = 25;

impl Table {
    pub(crate) const COUNT: usize = 8;
    /// Those that runs choose from.
    pub(crate) const ALL: [Self; 7] =
        [Self::Tree, Self::LargeTree, Self::Hits, Self::Blobs, Self::Pairs, Self::Customers, Self::Orders];

    pub(crate) fn is_record(self) -> bool {
        matches!(self, Self::Customers | Self::Orders)
    }

    /// Whether it can be deleted while the database is open.
    pub(crate) fn is_plain(self) -> bool {
        matches!(self, Self::Hits | Self::Blobs | Self::Pairs)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Attempts | Self::Tree | Self::LargeTree => "",
            Self::Hits => "hits",
            Self::Blobs => "blobs",
            Self::Pairs => "pairs",
            Self::Customers => "customers",
            Self::Orders => "orders",
        }
    }

    /// Whether it lies below the tables, where a remove is blind.
    pub(crate) fn is_tree(self) -> bool {
        matches!(self, Self::Attempts | Self::Tree | Self::LargeTree)
    }

    fn tree(self) -> u32 {
        self as u32 + 3
    }
}

/// Whether a tree lies below the tables.
pub(crate) fn is_bare(tree: u32) -> bool {
    [Table::Attempts, Table::Tree, Table::LargeTree].iter().any(|table| table.tree() == tree)
}

fn tree_key(key: u32) -> Vec<u8> {
    let mut bytes = match key % 9 {
        0 => return if key == 0 { Vec::new() } else { key.to_be_bytes().repeat(60) },
        1..5 => b"shared/prefix/".to_vec(),
        _ => Vec::new(),
    };
    bytes.extend(key.to_be_bytes());
    bytes
}

fn bytes(value: u64, large: bool) -> Vec<u8> {
    let length = match (large, value % 16) {
        (true, 0..4) => (value >> 8) % 6000,
        (_, 0) => (value >> 8) % 1500,
        (_, 1) => 100 + (value >> 8) % 100,
        _ => (value >> 8) % 40,
    };
    value.to_le_bytes().into_iter().cycle().take(length as usize).collect()
}

fn name(key: u32) -> String {
    format!("/page/{}/{key}", key % 3)
}

fn pair(key: u32) -> (u32, String) {
    (key % 7, format!("{key:03}"))
}

fn pair_value(value: u64) -> Option<u32> {
    (!value.is_multiple_of(5)).then_some(value as u32)
}

fn email(value: u64) -> String {
    format!("{}@example.org", value % EMAILS)
}

fn city(value: u64) -> &'static str {
    ["Oslo", "Bergen", "Vardø", ""][(value >> 8) as usize % 4]
}

fn tags(value: u64) -> Vec<String> {
    let tag = |bit: u64| format!("tag{bit}");
    (0..4).filter(|bit| value >> (16 + bit) & 1 == 1).map(tag).collect()
}

fn customer(key: u32, value: u64) -> Customer {
    Customer {
        id: Id::new(u64::from(key)),
        email: email(value),
        city: city(value).into(),
        age: ((value >> 20) % 90) as u16,
        tags: tags(value),
        note: bytes(value >> 30, false),
    }
}

fn order_key(key: u32) -> (u32, u32) {
    (key % 5, key / 5)
}

fn order(key: u32, value: u64) -> Order {
    let (customer, number) = order_key(key);
    let state = ["open", "sent", "paid"].get((value >> 8) as usize % 4).map(|&state| state.to_owned());
    Order { customer, number, total: value % 50, state }
}

/// A transaction of either kind, as its tables are compared.
pub(crate) trait View<S>: Reads {
    type Mode;
    /// Whether trees are gone through both ways: a transaction's own writes are another layer then.
    const BOTH_WAYS: bool;
    fn plain<K: KeyPart + 'static, V: Shape + 'static>(
        &self,
        def: &TableDef<K, V>,
    ) -> Result<tamarack::Table<'_, K, V, Self::Mode>>;
    fn records<R: Record>(&self) -> Result<RecordTable<'_, R, Self::Mode>>
    where
        S: Has<R>;
}

impl<S> View<S> for ReadTxn<S> {
    type Mode = ReadOnly;
    const BOTH_WAYS: bool = false;

    fn plain<K: KeyPart + 'static, V: Shape + 'static>(
        &self,
        def: &TableDef<K, V>,
    ) -> Result<tamarack::Table<'_, K, V, ReadOnly>> {
        self.open_table(def)
    }

    fn records<R: Record>(&self) -> Result<RecordTable<'_, R, ReadOnly>>
    where
        S: Has<R>,
    {
        self.table()
    }
}

impl<S> View<S> for WriteTxn<S> {
    type Mode = ReadWrite;
    const BOTH_WAYS: bool = true;

    fn plain<K: KeyPart + 'static, V: Shape + 'static>(
        &self,
        def: &TableDef<K, V>,
    ) -> Result<tamarack::Table<'_, K, V, ReadWrite>> {
        self.open_table(def)
    }

    fn records<R: Record>(&self) -> Result<RecordTable<'_, R, ReadWrite>>
    where
        S: Has<R>,
    {
        self.table()
    }
}

/// What a schema adds to the plain tables and trees that every file has.
pub(crate) trait Kind: Schema + Sized + 'static {
    fn put(tx: &WriteTxn<Self>, table: Table, key: u32, value: u64) -> Result<u32>;
    fn remove(tx: &WriteTxn<Self>, table: Table, key: u32) -> Result<()>;
    /// All records, or those of a query; how many, if that is told.
    fn remove_many(tx: &WriteTxn<Self>, table: Table, all: bool) -> Result<Option<u64>>;
    fn compare(tx: &impl View<Self>, table: Table, rows: &Rows) -> Result<()>;
}

impl Kind for () {
    fn put(_: &WriteTxn<()>, table: Table, _: u32, _: u64) -> Result<u32> {
        unreachable!("no records here: {table:?}")
    }

    fn remove(_: &WriteTxn<()>, table: Table, _: u32) -> Result<()> {
        unreachable!("no records here: {table:?}")
    }

    fn remove_many(_: &WriteTxn<()>, table: Table, _: bool) -> Result<Option<u64>> {
        unreachable!("no records here: {table:?}")
    }

    fn compare(_: &impl View<()>, _: Table, _: &Rows) -> Result<()> {
        Ok(())
    }
}

impl Kind for Shop {
    fn put(tx: &WriteTxn<Self>, table: Table, key: u32, value: u64) -> Result<u32> {
        if table == Table::Orders {
            tx.table::<Order>()?.upsert(order(key, value))?;
            return Ok(key);
        }
        // Key 0: a new one.
        let id = tx.table::<Customer>()?.upsert(customer(key, value))?;
        Ok(id.get() as u32)
    }

    fn remove(tx: &WriteTxn<Self>, table: Table, key: u32) -> Result<()> {
        if table == Table::Orders {
            tx.table::<Order>()?.remove(order_key(key))?;
        } else {
            tx.table::<Customer>()?.remove(Id::new(u64::from(key)))?;
        }
        Ok(())
    }

    fn remove_many(tx: &WriteTxn<Self>, table: Table, all: bool) -> Result<Option<u64>> {
        match (table, all) {
            (Table::Orders, true) => tx.table::<Order>()?.clear().map(|()| None),
            (Table::Orders, false) => tx.table::<Order>()?.remove_all(Order::TOTAL.range(..SMALL)).map(Some),
            (_, true) => tx.table::<Customer>()?.clear().map(|()| None),
            (_, false) => tx.table::<Customer>()?.remove_all(Customer::CITY_AGE.at(CITY)).map(Some),
        }
    }

    fn compare(tx: &impl View<Self>, table: Table, rows: &Rows) -> Result<()> {
        if table == Table::Orders { compare_orders(tx, rows) } else { compare_customers(tx, rows) }
    }
}

fn compare_orders(tx: &impl View<Shop>, rows: &Rows) -> Result<()> {
    let orders = tx.records::<Order>()?;
    let mut all: Vec<Order> = rows.iter().map(|(&key, &value)| order(key, value)).collect();
    let key = |order: &Order| (order.customer, order.number);
    all.sort_by_key(key);
    same("orders", orders.iter(), all.iter().cloned())?;
    all.sort_by_key(|order| (order.total, order.customer, order.number));
    same("orders by total", orders.query(Order::TOTAL.range(..)).keys(), all.iter().map(key))?;
    all.sort_by(|a, b| (&a.state, key(a)).cmp(&(&b.state, key(b))));
    same("orders by state", orders.query(Order::STATE.range(..)).keys(), all.iter().map(key))?;
    same("length of orders", std::iter::once(orders.len()), std::iter::once(all.len() as u64))
}

fn compare_customers(tx: &impl View<Shop>, rows: &Rows) -> Result<()> {
    let customers = tx.records::<Customer>()?;
    let mut all: Vec<Customer> = rows.iter().map(|(&key, &value)| customer(key, value)).collect();
    let id = |customer: &Customer| customer.id;
    same("customers", customers.iter(), all.iter().cloned())?;
    let mut listed: Vec<_> = all.iter().flat_map(|one| one.tags.iter().map(|tag| (tag.clone(), one.id))).collect();
    listed.sort_by(|a, b| (&a.0, a.1.get()).cmp(&(&b.0, b.1.get())));
    for tag in (0..4).map(|bit| format!("tag{bit}")) {
        let ids = listed.iter().filter(|(listed, _)| *listed == tag).map(|(_, id)| *id);
        same("customers by tag", customers.query(Customer::TAGS.at(&tag)).keys(), ids)?;
    }
    all.sort_by(|a, b| a.email.cmp(&b.email));
    same("customers by email", customers.query(Customer::EMAIL.range(..)).keys(), all.iter().map(id))?;
    all.sort_by(|a, b| (&a.city, Reverse(a.age), a.id.get()).cmp(&(&b.city, Reverse(b.age), b.id.get())));
    same("customers by city and age", customers.query(Customer::CITY_AGE.range(..)).keys(), all.iter().map(id))?;
    same("number of customers", std::iter::once(customers.len()), std::iter::once(all.len() as u64))
}

/// Everything that comes out, up to an error, must be what is expected.
fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: impl Iterator<Item = Result<T>>,
    expected: impl Iterator<Item = T>,
) -> Result<()> {
    let mut all = expected;
    for found in found {
        let found = found?;
        match all.next() {
            Some(expected) if found == expected => {}
            expected => {
                let rest: Vec<T> = expected.into_iter().chain(all).collect();
                violated!("wrong: {what}: {found:?} where {rest:?} belong")
            }
        }
    }
    match all.next() {
        None => Ok(()),
        Some(missing) => violated!("wrong: {what}: {missing:?} is not there"),
    }
}

/// Stores a row; returns its key.
pub(crate) fn put<S: Kind>(tx: &WriteTxn<S>, table: Table, key: u32, value: u64) -> Result<u32> {
    match table {
        Table::Attempts => raw::put(tx, table.tree(), &key.to_be_bytes(), &value.to_le_bytes())?,
        Table::Tree => raw::put(tx, table.tree(), &tree_key(key), &bytes(value, false))?,
        Table::LargeTree => raw::put(tx, table.tree(), &tree_key(key), &bytes(value, true))?,
        Table::Hits => drop(tx.open_table(&HITS)?.insert(name(key), value)?),
        Table::Blobs => drop(tx.open_table(&BLOBS)?.insert(u64::from(key), bytes(value, false))?),
        Table::Pairs => drop(tx.open_table(&PAIRS)?.insert(pair(key), pair_value(value))?),
        Table::Customers | Table::Orders => return S::put(tx, table, key, value),
    }
    Ok(key)
}

/// Removes a row, if it is there.
pub(crate) fn remove<S: Kind>(tx: &WriteTxn<S>, table: Table, key: u32) -> Result<()> {
    match table {
        Table::Attempts => raw::delete(tx, table.tree(), &key.to_be_bytes()),
        Table::Tree | Table::LargeTree => raw::delete(tx, table.tree(), &tree_key(key)),
        Table::Hits => tx.open_table(&HITS)?.remove(name(key)).map(drop),
        Table::Blobs => tx.open_table(&BLOBS)?.remove(u64::from(key)).map(drop),
        Table::Pairs => tx.open_table(&PAIRS)?.remove(pair(key)).map(drop),
        Table::Customers | Table::Orders => S::remove(tx, table, key),
    }
}

/// Deletes a table, by its name alone or not; whether there was one.
pub(crate) fn delete<S: Kind>(tx: &WriteTxn<S>, table: Table, named: bool) -> Result<bool> {
    let there = match table {
        _ if named => tx.delete_table_named(table.name()),
        Table::Hits => tx.delete_table(&HITS),
        Table::Blobs => tx.delete_table(&BLOBS),
        Table::Pairs => tx.delete_table(&PAIRS),
        _ => tx.delete_table_named(table.name()),
    }?;
    if tx.table_names()?.iter().any(|name| name == table.name()) {
        violated!("wrong: {table:?} was deleted and is still listed");
    }
    Ok(there)
}

/// Removes all rows of a table, or many of them, in one call; returns which, of those that its transaction sees.
pub(crate) fn remove_many<S: Kind>(tx: &WriteTxn<S>, table: Table, all: bool, rows: &Rows) -> Result<Vec<u32>> {
    let told = match table {
        Table::Attempts | Table::Tree | Table::LargeTree => return Ok(Vec::new()),
        Table::Customers | Table::Orders => S::remove_many(tx, table, all)?,
        Table::Hits if all => tx.open_table(&HITS)?.clear().map(|()| None)?,
        Table::Blobs if all => tx.open_table(&BLOBS)?.clear().map(|()| None)?,
        Table::Pairs if all => tx.open_table(&PAIRS)?.clear().map(|()| None)?,
        Table::Hits => tx.open_table(&HITS)?.retain(|_, value| !value.is_multiple_of(2)).map(|()| None)?,
        Table::Blobs => tx.open_table(&BLOBS)?.retain(|key, _| !key.is_multiple_of(2)).map(|()| None)?,
        Table::Pairs => tx.open_table(&PAIRS)?.retain(|key, _| !key.0.is_multiple_of(2)).map(|()| None)?,
    };
    let goes = |&(&key, &value): &(&u32, &u64)| match table {
        _ if all => true,
        Table::Customers => city(value) == CITY,
        Table::Orders => value % 50 < SMALL,
        Table::Blobs => key.is_multiple_of(2),
        Table::Pairs => pair(key).0.is_multiple_of(2),
        _ => value.is_multiple_of(2),
    };
    let gone: Vec<u32> = rows.iter().filter(goes).map(|(&key, _)| key).collect();
    if told.is_some_and(|told| told != gone.len() as u64) {
        violated!("wrong: {told:?} rows of {table:?} were removed, not {}", gone.len());
    }
    Ok(gone)
}

/// Whether storing this row has to be refused.
pub(crate) fn collides(world: &World, table: Table, key: u32, value: u64) -> bool {
    let taken = |(&other, &held): (&u32, &u64)| other != key && held % EMAILS == value % EMAILS;
    table == Table::Customers && world.rows(table).iter().any(taken)
}

/// Whether an error says so.
pub(crate) fn is_collision(error: &tamarack::Error) -> bool {
    error.kind() == ErrorKind::UniqueViolation
}

/// Looks at one row from within a transaction.
pub(crate) fn look<S: Kind>(tx: &WriteTxn<S>, table: Table, key: u32, value: Option<u64>) -> Result<()> {
    let one = |found: bool| if found { Ok(()) } else { violated!("wrong: {table:?} {key} within a transaction") };
    match table {
        Table::Attempts | Table::Customers | Table::Orders => Ok(()),
        Table::Tree | Table::LargeTree => {
            let expected = value.map(|value| bytes(value, table == Table::LargeTree));
            one(Reads::get(tx, table.tree(), &tree_key(key))? == expected)
        }
        Table::Hits => one(tx.open_table(&HITS)?.get(name(key))? == value),
        Table::Blobs => one(tx.open_table(&BLOBS)?.get(u64::from(key))? == value.map(|value| bytes(value, false))),
        Table::Pairs => one(tx.open_table(&PAIRS)?.get(pair(key))? == value.map(pair_value)),
    }
}

/// The attempts that are there.
pub(crate) fn attempts<S: Kind>(tx: &ReadTxn<S>) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    tx.scan(Table::Attempts.tree(), false, &mut |key, _| {
        found.push(key.try_into().map_or(u32::MAX, u32::from_be_bytes));
    })?;
    Ok(found)
}

/// Compares everything that a transaction sees, up to an error, with a world.
pub(crate) fn compare<S: Kind>(tx: &impl View<S>, tables: &[Table], world: &World) -> Result<()> {
    compare_one(tx, Table::Attempts, world.rows(Table::Attempts))?;
    tables.iter().try_for_each(|&table| compare_one(tx, table, world.rows(table)))
}

/// The same for one table.
pub(crate) fn compare_one<S: Kind>(tx: &impl View<S>, table: Table, rows: &Rows) -> Result<()> {
    let ordered = |key: fn(u32) -> Vec<u8>, value: &dyn Fn(u64) -> Vec<u8>| {
        let mut rows: Vec<_> = rows.iter().map(|(&k, &v)| (key(k), value(v))).collect();
        rows.sort_unstable();
        rows
    };
    match table {
        Table::Attempts => {
            let number = |value: u64| value.to_le_bytes().to_vec();
            compare_tree(tx, table, &ordered(|key| key.to_be_bytes().to_vec(), &number))
        }
        Table::Tree | Table::LargeTree => {
            compare_tree(tx, table, &ordered(tree_key, &|value| bytes(value, table == Table::LargeTree)))
        }
        Table::Hits => {
            let mut all: Vec<_> = rows.iter().map(|(&key, &value)| (name(key), value)).collect();
            all.sort_unstable();
            let hits = tx.plain(&HITS)?;
            same("hits", hits.iter(), all.iter().cloned())?;
            same("number of hits", std::iter::once(hits.len()), std::iter::once(all.len() as u64))
        }
        Table::Blobs => {
            let all = rows.iter().map(|(&key, &value)| (u64::from(key), bytes(value, false)));
            same("blobs", tx.plain(&BLOBS)?.iter(), all)
        }
        Table::Pairs => {
            let mut all: Vec<_> = rows.iter().map(|(&key, &value)| (pair(key), pair_value(value))).collect();
            all.sort_unstable();
            same("pairs", tx.plain(&PAIRS)?.iter().rev(), all.into_iter().rev())
        }
        Table::Customers | Table::Orders => S::compare(tx, table, rows),
    }
}

fn compare_tree<S: Kind, T: View<S>>(tx: &T, table: Table, rows: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
    let backward = rows.len() % 2 == 1;
    compare_tree_one_way(tx, table, rows, backward)?;
    if T::BOTH_WAYS { compare_tree_one_way(tx, table, rows, !backward) } else { Ok(()) }
}

fn compare_tree_one_way(tx: &impl Reads, table: Table, rows: &[(Vec<u8>, Vec<u8>)], backward: bool) -> Result<()> {
    let mut seen = 0;
    tx.scan(table.tree(), backward, &mut |key, value| {
        let place = if backward { rows.len().checked_sub(seen + 1) } else { Some(seen) };
        seen += 1;
        let expected = place.and_then(|place| rows.get(place));
        if expected.is_none_or(|(k, v)| k != key || v != value) {
            violated!("wrong: {table:?}: key {key:?} with {} bytes does not belong there", value.len());
        }
    })?;
    if seen == rows.len() { Ok(()) } else { violated!("wrong: {table:?}: {seen} rows of {}", rows.len()) }
}
