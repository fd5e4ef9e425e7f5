//! The record, its indexes, and the schema of the file.

use tamarack::{Finite, Record, Schema};

/// A city.
#[derive(Record, Debug, Clone, PartialEq)]
#[record(table = "cities")]
#[record(index(country_population = (country, desc population)))]
#[record(index(country_latitude = (country, latitude)))]
pub(crate) struct City {
    /// GeoNames' number of the place.
    #[record(key)]
    pub(crate) id: u32,
    /// Name in English or the local language.
    #[record(index)]
    pub(crate) name: String,
    /// ISO 3166 code of two letters.
    pub(crate) country: String,
    /// GeoNames' code of the first-level division.
    pub(crate) region: String,
    /// Degrees, north positive. A key part has an order, so it is never NaN.
    pub(crate) latitude: Finite<f64>,
    /// Degrees, east positive.
    pub(crate) longitude: f64,
    /// People.
    #[record(index)]
    pub(crate) population: u32,
    /// Name in the IANA database.
    pub(crate) time_zone: String,
    /// What else it is called: one index entry for each.
    #[record(index(each))]
    pub(crate) other_names: Vec<String>,
}

/// What the file holds.
#[derive(Schema)]
pub(crate) struct Atlas(City);
