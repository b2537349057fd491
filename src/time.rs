//! Instants as both APIs write them: UTC without a zone letter.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// An instant in UTC: microseconds since 1970-01-01T00:00:00, negative before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// Microseconds in one second.
const MICROS: i64 = 1_000_000;

impl Timestamp {
    /// The clock's time.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// This instant, `seconds` later (earlier where negative); it stops at the ends of the range.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(MICROS)))
    }

    /// Reads ISO 8601 in the forms that OpenStack's clients send: a date alone, `T` or a blank between date and time,
    /// fractions of any length, and an offset (`Z`, `+02:00`), which is applied. Without an offset it is UTC.
    /// `None` where the text is none of these.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Some(Self(instant.as_microsecond()));
        }
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(zoned.timestamp().as_microsecond()))
    }

    /// Appends `YYYY-MM-DD?HH:MM:SS.ffffff`, always with six digits, with `between` in the place of `?`.
    pub fn write(self, between: u8, out: &mut Vec<u8>) {
        let (seconds, micros) = (self.0.div_euclid(MICROS), self.0.rem_euclid(MICROS));
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        let mut buffer = *b"0000-00-00T00:00:00.000000";
        digits(&mut buffer[0..4], year);
        digits(&mut buffer[5..7], month);
        digits(&mut buffer[8..10], day);
        buffer[10] = between;
        digits(&mut buffer[11..13], second / 3600);
        digits(&mut buffer[14..16], second / 60 % 60);
        digits(&mut buffer[17..19], second % 60);
        digits(&mut buffer[20..26], micros);
        out.extend_from_slice(&buffer);
    }

    /// `2026-11-22T11:36:41.333941`: Block Storage's form, always with six digits.
    pub fn iso(self) -> String {
        self.text(b'T')
    }

    /// `2026-11-22 11:36:41.333941`: the form in which SQLAlchemy stores times in SQLite.
    pub fn sql(self) -> String {
        self.text(b' ')
    }

    /// `2026-11-22T11:36:41`, with the fraction only where it is not zero: Telemetry's form.
    pub fn iso_short(self) -> String {
        let mut text = self.iso();
        if self.0.rem_euclid(MICROS) == 0 {
            text.truncate(19);
        }
        text
    }

    fn text(self, between: u8) -> String {
        let mut out = Vec::with_capacity(26);
        self.write(between, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso())
    }
}

/// Writes the low decimal digits of `value` over the whole of `into`.
fn digits(into: &mut [u8], mut value: i64) {
    for place in into.iter_mut().rev() {
        *place = b'0' + u8::try_from(value.rem_euclid(10)).unwrap_or(0);
        value /= 10;
    }
}

/// Year, month and day of a day number since 1970-01-01, in the proleptic Gregorian calendar (years of 400-year eras
/// that start in March, so that the leap day comes last).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn writes_what_it_reads() {
        for text in ["1970-01-01T00:00:00.000000", "2024-02-29T23:59:59.999999", "1969-12-31T23:59:59.000001"] {
            assert_eq!(Timestamp::parse(text).map(Timestamp::iso).as_deref(), Some(text));
        }
    }

    #[test]
    fn reads_every_form_that_clients_send() {
        let expected = Timestamp::parse("2015-01-01T08:00:00");
        assert!(expected.is_some());
        for text in
            ["2015-01-01 08:00:00", "2015-01-01T10:00:00+02:00", "2015-01-01T08:00:00Z", "2015-01-01T08:00:00.000"]
        {
            assert_eq!(Timestamp::parse(text), expected, "{text}");
        }
        assert_eq!(Timestamp::parse("2015-01-01").map(Timestamp::iso_short).as_deref(), Some("2015-01-01T00:00:00"));
        assert_eq!(Timestamp::parse("yesterday"), None);
    }
}
