//! Points in time and spans.

use super::KeyPart;
use crate::error::DecodeError;
use crate::key_buf::{KeyBuf, take_array};
use crate::shape_def::ShapeDef;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{error, fmt};

const DAY: i64 = 86_400_000_000;

/// A point in time: microseconds since the start of 1970, UTC. Eight bytes, the default choice for keys. serde sees the microseconds.
///
/// ```
/// use tamarack_codec::Timestamp;
/// let start = Timestamp::from_micros(0);
/// assert_eq!(start.to_string(), "1970-01-01T00:00:00.000000Z");
/// assert!(start < Timestamp::now());
/// assert_eq!(std::time::SystemTime::try_from(start), Ok(std::time::UNIX_EPOCH));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The system's time. A clock outside the years that fit counts as the nearest that does.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the one place where user code asks for the time")]
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// From microseconds since the start of 1970.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the start of 1970.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Now less a number of days of 24 hours.
    #[must_use]
    pub fn days_ago(days: i64) -> Self {
        Self(Self::now().0.saturating_sub(days.saturating_mul(DAY)))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => {
                // Floor, as for times after the start.
                let micros = before.duration().as_nanos().div_ceil(1000);
                i64::try_from(micros).map_or(i64::MIN, |micros| -micros)
            }
        })
    }
}

/// A [`Timestamp`] is outside of what the system's [`SystemTime`] can hold. On Unix none is, on Windows those of far years are.
///
/// ```
/// assert_eq!(tamarack_codec::NoSystemTime.to_string(), "a time that this system cannot represent");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSystemTime;

impl fmt::Display for NoSystemTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time that this system cannot represent")
    }
}

impl error::Error for NoSystemTime {}

impl TryFrom<Timestamp> for SystemTime {
    type Error = NoSystemTime;

    fn try_from(time: Timestamp) -> Result<Self, NoSystemTime> {
        let (seconds, micros) = (time.0.div_euclid(1_000_000), time.0.rem_euclid(1_000_000));
        system_time(seconds, micros as u32 * 1000).map_err(|_| NoSystemTime)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC. Days to dates as in Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, micros) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let seconds = micros / 1_000_000;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:06}Z", micros % 1_000_000)
    }
}

impl KeyPart for Timestamp {
    const FIXED: Option<usize> = Some(8);

    fn encode(&self, out: &mut KeyBuf) {
        self.0.encode(out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        i64::decode(input).map(Self)
    }

    fn describe() -> ShapeDef {
        ShapeDef::Timestamp
    }
}

/// Nanoseconds below a second.
fn nanos(input: &mut &[u8]) -> Result<u32, DecodeError> {
    let nanos = u32::from_be_bytes(take_array(input, "nanoseconds")?);
    if nanos < 1_000_000_000 {
        Ok(nanos)
    } else {
        Err(DecodeError::new(format!("expected nanoseconds below a second, found {nanos}")))
    }
}

impl KeyPart for Duration {
    const FIXED: Option<usize> = Some(12);

    fn encode(&self, out: &mut KeyBuf) {
        self.as_secs().encode(out);
        self.subsec_nanos().encode(out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        let seconds = u64::decode(input)?;
        Ok(Self::new(seconds, nanos(input)?))
    }

    fn describe() -> ShapeDef {
        ShapeDef::Duration
    }
}

/// Appends an instant: seconds since 1970, rounded down, and nanoseconds.
pub(crate) fn encode_instant(seconds: i64, nanos: u32, out: &mut KeyBuf) {
    seconds.encode(out);
    nanos.encode(out);
}

/// Takes an instant off the front.
pub(crate) fn decode_instant(input: &mut &[u8]) -> Result<(i64, u32), DecodeError> {
    Ok((i64::decode(input)?, nanos(input)?))
}

/// Seconds, rounded down, and nanoseconds of a system time.
pub(crate) fn instant_of(time: SystemTime) -> (i64, u32) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (i64::try_from(after.as_secs()).unwrap_or(i64::MAX), after.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            let (seconds, nanos) = match before.subsec_nanos() {
                0 => (before.as_secs(), 0),
                nanos => (before.as_secs().saturating_add(1), 1_000_000_000 - nanos),
            };
            (0_i64.checked_sub_unsigned(seconds).unwrap_or(i64::MIN), nanos)
        }
    }
}

/// The system time of an instant.
pub(crate) fn system_time(seconds: i64, nanos: u32) -> Result<SystemTime, DecodeError> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    time.and_then(|time| time.checked_add(Duration::from_nanos(u64::from(nanos))))
        .ok_or_else(|| DecodeError::new(NoSystemTime.to_string()))
}

impl KeyPart for SystemTime {
    const FIXED: Option<usize> = Some(12);

    fn encode(&self, out: &mut KeyBuf) {
        let (seconds, nanos) = instant_of(*self);
        encode_instant(seconds, nanos, out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        let (seconds, nanos) = decode_instant(input)?;
        system_time(seconds, nanos)
    }

    fn describe() -> ShapeDef {
        ShapeDef::Instant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let text = |micros| Timestamp::from_micros(micros).to_string();
        assert_eq!(text(951_782_400_000_000), "2000-02-29T00:00:00.000000Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(text(1_795_392_000_123_456), "2026-11-23T00:00:00.123456Z");
    }

    /// The calendar, counted day by day.
    #[test]
    fn dates_of_a_thousand_years() {
        let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        // The year 0 begins so many days before 1970.
        let mut day = -719_528;
        for year in 0..2900_i64 {
            for month in 1..=12 {
                let length = match month {
                    2 => 28 + i64::from(leap(year)),
                    4 | 6 | 9 | 11 => 30,
                    _ => 31,
                };
                for date in [1, 2, 15, length - 1, length] {
                    let start = Timestamp::from_micros((day + date - 1) * DAY);
                    assert_eq!(start.to_string(), format!("{year:04}-{month:02}-{date:02}T00:00:00.000000Z"));
                }
                day += length;
            }
        }
    }

    #[test]
    fn times_of_a_day() {
        let text = |micros| Timestamp::from_micros(micros).to_string();
        assert_eq!(text(86_399_999_999), "1970-01-01T23:59:59.999999Z");
        assert_eq!(text(3_600_000_000), "1970-01-01T01:00:00.000000Z");
        assert_eq!(text(45_296_000_007), "1970-01-01T12:34:56.000007Z");
    }

    #[test]
    fn now_and_days_ago() {
        let (before, ago, after) = (Timestamp::now(), Timestamp::days_ago(3), Timestamp::now());
        assert!(before.as_micros() > 1_700_000_000_000_000);
        assert!((before.as_micros() - 3 * DAY..=after.as_micros() - 3 * DAY).contains(&ago.as_micros()));
        assert_eq!(Timestamp::from(UNIX_EPOCH + Duration::from_nanos(1_999)).as_micros(), 1);
        assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_nanos(1_001)).as_micros(), -2);
        // Beyond what eight bytes of microseconds reach.
        let far = Duration::from_secs(1 << 45);
        assert_eq!(Timestamp::from(UNIX_EPOCH + far).as_micros(), i64::MAX);
        assert_eq!(Timestamp::from(UNIX_EPOCH - far).as_micros(), i64::MIN);
    }

    #[test]
    #[cfg(unix)]
    fn every_timestamp_is_a_system_time() {
        for micros in [i64::MIN, i64::MIN + 1, -1_000_001, -1_000_000, -1, 0, 1, 999_999, 1_000_000, i64::MAX] {
            let timestamp = Timestamp::from_micros(micros);
            let time = SystemTime::try_from(timestamp).unwrap();
            assert_eq!(Timestamp::from(time), timestamp);
            let away = time.duration_since(UNIX_EPOCH).unwrap_or_else(|before| before.duration());
            assert_eq!(away, Duration::from_micros(micros.unsigned_abs()));
            assert_eq!(time < UNIX_EPOCH, micros < 0);
        }
    }

    #[test]
    fn nanoseconds_stay_below_a_second() {
        let encoded = |seconds: i64, nanos: u32| {
            let mut out = KeyBuf::new();
            encode_instant(seconds, nanos, &mut out);
            out
        };
        assert_eq!(decode_instant(&mut &encoded(-5, 999_999_999)[..]), Ok((-5, 999_999_999)));
        assert!(decode_instant(&mut &encoded(5, 1_000_000_000)[..]).is_err());
        assert_eq!(encoded(-1, 7)[..], [0x7F, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 7]);
        assert_eq!(instant_of(UNIX_EPOCH - Duration::new(2, 1)), (-3, 999_999_999));
        assert_eq!(instant_of(UNIX_EPOCH - Duration::new(2, 0)), (-2, 0));
    }

    #[test]
    fn system_times_around_the_start_of_1970() {
        for nanos in [0_u64, 1, 999, 1_000_000_000, 1_500_000_000] {
            for time in [UNIX_EPOCH + Duration::from_nanos(nanos), UNIX_EPOCH - Duration::from_nanos(nanos)] {
                let (seconds, nanos) = instant_of(time);
                assert_eq!(system_time(seconds, nanos), Ok(time));
            }
        }
        assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_nanos(1)).as_micros(), -1);
    }
}
