//! Typed questions, each printed as a table with what it cost.

use crate::{
    Result,
    city::{Atlas, City},
    lines::finite,
};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use indicatif::HumanCount;
use std::{
    io::{self, Write},
    time::Instant,
};
use tamarack::Database;

/// What to ask for.
#[derive(Args)]
pub(crate) struct Questions {
    /// Country of the questions by country, as ISO 3166 code.
    #[arg(long, default_value = "NO", value_parser = code)]
    country: String,
    /// Names that start with this.
    #[arg(long, default_value = "San F")]
    prefix: String,
    /// Another name that a city goes by.
    #[arg(long, default_value = "Wien")]
    name: String,
    /// Least people of the population range.
    #[arg(long, default_value_t = 5_000_000)]
    least: u32,
    /// Most people of the population range.
    #[arg(long, default_value_t = 9_000_000)]
    most: u32,
    /// Southern end of the latitude band, degrees.
    #[arg(long, default_value_t = 66.56, allow_negative_numbers = true)]
    south: f64,
    /// Northern end of the latitude band, degrees.
    #[arg(long, default_value_t = 72.0, allow_negative_numbers = true)]
    north: f64,
    /// Rows of a table.
    #[arg(long, default_value_t = 8)]
    rows: usize,
}

fn code(text: &str) -> Result<String> {
    if text.len() == 2 && text.is_ascii() {
        Ok(text.to_ascii_uppercase())
    } else {
        Err("a code has two letters, such as NO".into())
    }
}

impl Questions {
    /// Asks everything in one read transaction.
    pub(crate) fn ask(&self, db: &Database<Atlas>) -> Result {
        let (south, north) = (finite(self.south)?, finite(self.north)?);
        db.try_read(|tx| {
            let cities = tx.table::<City>()?;
            let rows = self.rows;
            let country = &self.country;

            let largest = City::COUNTRY_POPULATION.at(country);
            show(&format!("The largest cities of {country}"), || cities.query(largest).limit(rows).collect())?;

            let names = City::NAME.starts_with(&self.prefix);
            show(&format!("Names that start with \"{}\"", self.prefix), || cities.query(names).limit(rows).collect())?;

            let range = City::POPULATION.range(self.least..=self.most);
            let title =
                format!("From {} down to {} people", HumanCount(self.most.into()), HumanCount(self.least.into()));
            show(&title, || cities.query(range).rev().take(rows).collect())?;

            let band = City::COUNTRY_LATITUDE.at(country).range(south..north);
            let title = format!("{country} between {} and {} degrees, from the north", self.south, self.north);
            show(&title, || cities.query(band).rev().take(rows).collect())?;

            let other = City::OTHER_NAMES.at(&self.name);
            show(&format!("Also called \"{}\"", self.name), || cities.query(other).limit(rows).collect())?;

            let start = Instant::now();
            let mut count = 0_u64;
            for id in cities.query(City::COUNTRY_POPULATION.at(country)).keys() {
                id?;
                count += 1;
            }
            let taken = start.elapsed();
            writeln!(
                io::stdout(),
                "{} cities of {country} counted in the index alone in {taken:.1?}",
                HumanCount(count)
            )?;
            Ok(())
        })
    }
}

fn show(title: &str, find: impl FnOnce() -> tamarack::Result<Vec<City>>) -> Result {
    let start = Instant::now();
    let cities = find()?;
    let taken = start.elapsed();
    writeln!(io::stdout(), "\n{title}: {} rows in {taken:.1?}", cities.len())?;
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["id", "name", "country", "region", "latitude", "longitude", "people", "time zone"]);
    for city in &cities {
        table.add_row([
            city.id.to_string(),
            city.name.clone(),
            city.country.clone(),
            city.region.clone(),
            format!("{:.3}", city.latitude.get()),
            format!("{:.3}", city.longitude),
            HumanCount(city.population.into()).to_string(),
            city.time_zone.clone(),
        ]);
    }
    for column in [0, 4, 5, 6] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    writeln!(io::stdout(), "{table}")?;
    Ok(())
}
