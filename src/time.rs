//! Instants as both APIs write them: UTC without a zone letter.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// An instant in UTC: microseconds since 1970-01-01T00:00:00, negative before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A date and time in UTC, in the proleptic Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// 0 to 9999.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 0 to 59.
    pub second: i64,
    /// 0 to 999,999.
    pub micros: i64,
}

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
        if let Some(plain) = Self::parse_plain(text) {
            return Some(plain);
        }
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Some(Self(instant.as_microsecond()));
        }
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(zoned.timestamp().as_microsecond()))
    }

    /// Reads the form that nearly everybody sends, date and time in UTC to the microsecond at most: samples come by the
    /// thousand. `None` of all that needs a closer look, such as the last days of months.
    fn parse_plain(text: &str) -> Option<Self> {
        let plain = matches!(text.len(), 19 | 21..=26) && !text.starts_with("9999");
        let early = text.get(8..10).is_some_and(|day| day < "29");
        Self::parse_sql(text.as_bytes()).filter(|_| plain && early)
    }

    /// Reads `YYYY-MM-DD HH:MM:SS` with any fraction, the form in which databases keep times; `None` for any other.
    /// Much quicker than [`Timestamp::parse`], for rows by the thousand.
    pub fn parse_sql(text: &[u8]) -> Option<Self> {
        let (&[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b' ' | b'T', h1, h2, b':', i1, i2, b':', s1, s2], fraction) =
            text.split_first_chunk()?
        else {
            return None;
        };
        let mut micros = 0;
        if let [b'.', places @ ..] = fraction {
            for place in 0..6 {
                micros = micros * 10 + number(&[places.get(place).copied().unwrap_or(b'0')])?;
            }
        } else if !fraction.is_empty() {
            return None;
        }
        Self::from_civil(&Civil {
            year: number(&[y1, y2, y3, y4])?,
            month: number(&[m1, m2])?,
            day: number(&[d1, d2])?,
            hour: number(&[h1, h2])?,
            minute: number(&[i1, i2])?,
            second: number(&[s1, s2])?,
            micros,
        })
    }

    /// The instant of a date and time in UTC; `None` where a part is out of its range.
    pub fn from_civil(civil: &Civil) -> Option<Self> {
        let within = (1..=12).contains(&civil.month)
            && (1..=31).contains(&civil.day)
            && (0..24).contains(&civil.hour)
            && (0..60).contains(&civil.minute)
            && (0..60).contains(&civil.second)
            && (0..MICROS).contains(&civil.micros)
            && (0..=9999).contains(&civil.year);
        let days = days_from_civil(civil.year, civil.month, civil.day);
        let seconds = days * 86_400 + civil.hour * 3600 + civil.minute * 60 + civil.second;
        within.then_some(Self(seconds * MICROS + civil.micros))
    }

    /// This instant as date and time in UTC.
    pub fn civil(self) -> Civil {
        let (seconds, micros) = (self.0.div_euclid(MICROS), self.0.rem_euclid(MICROS));
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        Civil { year, month, day, hour: of_day / 3600, minute: of_day / 60 % 60, second: of_day % 60, micros }
    }

    /// Appends `YYYY-MM-DD?HH:MM:SS.ffffff`, always with six digits, with `between` in the place of `?`.
    pub fn write(self, between: u8, out: &mut Vec<u8>) {
        let civil = self.civil();
        let mut buffer = *b"0000-00-00T00:00:00.000000";
        digits(&mut buffer[0..4], civil.year);
        digits(&mut buffer[5..7], civil.month);
        digits(&mut buffer[8..10], civil.day);
        buffer[10] = between;
        digits(&mut buffer[11..13], civil.hour);
        digits(&mut buffer[14..16], civil.minute);
        digits(&mut buffer[17..19], civil.second);
        digits(&mut buffer[20..26], civil.micros);
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
        // Digits and signs are text.
        String::from_utf8(out).unwrap_or_default()
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

/// The number that decimal digits write; `None` where one is no digit.
fn number(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
}

/// The day number since 1970-01-01: the reverse of [`civil_from_days`].
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
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
    fn reads_the_databases_form_as_the_general_reader_does() {
        for text in [
            "1969-12-31 23:59:59.000001",
            "2024-02-29 23:59:59.999999",
            "2024-02-28 23:59:59.9",
            "2000-03-01 00:00:00",
            "9998-12-31 23:59:59.5",
            "0001-01-01 00:00:00",
        ] {
            let read = Timestamp::parse_sql(text.as_bytes());
            assert_eq!(read, Timestamp::parse(text), "{text}");
            assert_eq!(read.map(|read| Timestamp::from_civil(&read.civil())), Some(read), "{text}");
        }
        for text in ["2024-02-29", "2024-13-01 00:00:00", "2024-02-29 24:00:00", "2024-02-29 00:00:00Z", ""] {
            assert_eq!(Timestamp::parse_sql(text.as_bytes()), None, "{text}");
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
        for text in
            ["yesterday", "2015-02-30T00:00:00", "2015-01-01T24:00:00", "2015-01-01T00:00:00.", "2015-01-01T00:00:0"]
        {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
        let east = Timestamp::parse("2015-01-01T08:00:00.25+02:00").map(Timestamp::iso_short);
        assert_eq!(east.as_deref(), Some("2015-01-01T06:00:00.250000"));
    }
}
