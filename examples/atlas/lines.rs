//! Cities as text: a line each, columns between tabs, plain or gzip. `data/ATTRIBUTION.md` lists the columns.

use crate::{Result, city::City};
use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressBarIter};
use std::{
    collections::BTreeSet,
    error, fmt, fs,
    io::{BufRead, BufReader, Cursor, Read},
    path::PathBuf,
};
use tamarack::Finite;

/// The cities that come with the program.
const INCLUDED: &[u8] = include_bytes!("../data/cities.tsv.gz");
/// Bytes of the longest line that is read.
const LONGEST: u64 = 64 << 10;
/// What every gzip file starts with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Where the text comes from.
pub(crate) enum Source {
    /// The text in the program.
    Included,
    /// A file of the user.
    File(PathBuf),
}

impl Source {
    /// Bytes of the text as it is stored, for the progress bar.
    pub(crate) fn bytes(&self) -> Result<u64> {
        match self {
            Self::Included => Ok(INCLUDED.len() as u64),
            Self::File(path) => {
                let metadata = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
                Ok(metadata.len())
            }
        }
    }

    /// Reads the text from its start; the bar follows the bytes.
    pub(crate) fn cities(&self, bar: &ProgressBar) -> Result<Cities> {
        bar.reset();
        let stored: Box<dyn Read> = match self {
            Self::Included => Box::new(Cursor::new(INCLUDED)),
            Self::File(path) => Box::new(fs::File::open(path)?),
        };
        let mut stored: BufReader<ProgressBarIter<_>> = BufReader::new(bar.wrap_read(stored));
        let packed = stored.fill_buf()?.starts_with(&GZIP);
        let text: Box<dyn Read> = if packed { Box::new(MultiGzDecoder::new(stored)) } else { Box::new(stored) };
        let name = match self {
            Self::Included => "the included cities".to_owned(),
            Self::File(path) => path.display().to_string(),
        };
        Ok(Cities { name, text: BufReader::new(text), number: 0, seen: BTreeSet::new() })
    }
}

/// The cities of a text, in its order. Ends after the first error.
pub(crate) struct Cities {
    name: String,
    text: BufReader<Box<dyn Read>>,
    number: u64,
    seen: BTreeSet<u32>,
}

impl Iterator for Cities {
    type Item = Result<City, BadLine>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.number += 1;
            let city = match self.line() {
                Ok(None) => return None,
                Ok(Some(line)) if line.is_empty() || line.starts_with('#') => continue,
                Ok(Some(line)) => city(&line),
                Err(what) => Err(what),
            };
            let fresh = city.and_then(|city| match self.seen.insert(city.id) {
                true => Ok(city),
                false => Err(format!("id {} was on an earlier line", city.id)),
            });
            return Some(fresh.map_err(|what| BadLine { name: self.name.clone(), number: self.number, what }));
        }
    }
}

impl Cities {
    fn line(&mut self) -> Result<Option<String>, String> {
        let mut line = Vec::new();
        let read = self.text.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        if read.map_err(|error| error.to_string())? == 0 {
            return Ok(None);
        }
        if line.len() as u64 == LONGEST && line.last() != Some(&b'\n') {
            return Err(format!("longer than {LONGEST} bytes"));
        }
        let text = String::from_utf8(line).map_err(|_| "not UTF-8".to_owned())?;
        Ok(Some(text.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']).to_owned()))
    }
}

/// A line that is not a city, with its number.
#[derive(Debug)]
pub(crate) struct BadLine {
    name: String,
    number: u64,
    what: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}: {}", self.name, self.number, self.what)
    }
}

impl error::Error for BadLine {}

fn city(line: &str) -> Result<City, String> {
    let columns: Vec<_> = line.split('\t').collect();
    let [id, name, country, region, latitude, longitude, population, time_zone, other_names] = columns[..] else {
        return Err(format!("{} columns, expected 9 between tabs", columns.len()));
    };
    if name.is_empty() {
        return Err("name: empty".to_owned());
    }
    if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(format!("country: `{country}` is not a code of two capital letters"));
    }
    let latitude = degrees("latitude", latitude, 90.0)?;
    Ok(City {
        id: number("id", id)?,
        name: name.to_owned(),
        country: country.to_owned(),
        region: region.to_owned(),
        latitude: finite(latitude)?,
        longitude: degrees("longitude", longitude, 180.0)?,
        population: number("population", population)?,
        time_zone: time_zone.to_owned(),
        other_names: other_names.split(',').filter(|other| !other.is_empty()).map(str::to_owned).collect(),
    })
}

fn number(column: &str, text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{column}: `{text}` is not a whole number from 0 to {}", u32::MAX))
}

fn degrees(column: &str, text: &str, most: f64) -> Result<f64, String> {
    let degrees = text.parse().ok().filter(|degrees| (-most..=most).contains(degrees));
    degrees.ok_or_else(|| format!("{column}: `{text}` is not a number from -{most} to {most}"))
}

/// A number as a key part.
pub(crate) fn finite(number: f64) -> Result<Finite<f64>, String> {
    Finite::new(number).map_err(|_| format!("`{number}` has no place in an order"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static [u8]) -> Vec<Result<City, String>> {
        let text: Box<dyn Read> = Box::new(text);
        let cities = Cities { name: "x".to_owned(), text: BufReader::new(text), number: 0, seen: BTreeSet::new() };
        cities.map(|city| city.map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn all_included_lines_are_cities() {
        let cities: Result<Vec<_>, _> = Source::Included.cities(&ProgressBar::hidden()).unwrap().collect();
        let cities = cities.unwrap();
        assert_eq!(cities.len(), 33_961);
        assert!(cities.iter().any(|city| city.name == "Vienna" && city.other_names.iter().any(|name| name == "Wien")));
    }

    #[test]
    fn notes_and_empty_lines_count_as_lines() {
        let read = read(b"\xef\xbb\xbf# note\r\n\r\n7\tA\tNO\t\t1\t2\t3\tZ\t\r\n7\tA\tNO\t\t1\t2\t3\tZ\tB,C\n");
        assert_eq!(read[0].as_ref().unwrap().other_names, Vec::<String>::new());
        assert_eq!(read[1].as_ref().unwrap_err(), "x, line 4: id 7 was on an earlier line");
    }

    #[test]
    fn bad_lines_say_what_is_wrong() {
        let cases: [(&[u8], &str); 8] = [
            (b"7\tA", "x, line 1: 2 columns, expected 9 between tabs"),
            (b"-7\tA\tNO\t\t1\t2\t3\tZ\t", "x, line 1: id: `-7` is not a whole number from 0 to 4294967295"),
            (b"7\t\tNO\t\t1\t2\t3\tZ\t", "x, line 1: name: empty"),
            (b"7\tA\tno\t\t1\t2\t3\tZ\t", "x, line 1: country: `no` is not a code of two capital letters"),
            (b"7\tA\tNO\t\tNaN\t2\t3\tZ\t", "x, line 1: latitude: `NaN` is not a number from -90 to 90"),
            (b"7\tA\tNO\t\t1\t181\t3\tZ\t", "x, line 1: longitude: `181` is not a number from -180 to 180"),
            (
                b"7\tA\tNO\t\t1\t2\tmany\tZ\t",
                "x, line 1: population: `many` is not a whole number from 0 to 4294967295",
            ),
            (b"7\xff", "x, line 1: not UTF-8"),
        ];
        for (text, message) in cases {
            assert_eq!(read(text)[0].as_ref().unwrap_err(), message);
        }
    }

    #[test]
    fn a_line_without_end_is_not_read_into_memory() {
        let endless: Box<dyn Read> = Box::new(std::io::repeat(b'a'));
        let mut cities =
            Cities { name: "x".to_owned(), text: BufReader::new(endless), number: 0, seen: BTreeSet::new() };
        assert_eq!(cities.next().unwrap().unwrap_err().to_string(), "x, line 1: longer than 65536 bytes");
    }
}
