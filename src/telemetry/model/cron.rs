//! When something begins, as cron writes it: minute, hour, day of the month, month, day of the week, and perhaps seconds, in
//! a zone of time. Where clocks go forward, what begins in the hour that is left out begins at its end; where they go
//! back, it begins the first time.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use crate::time::Timestamp;

/// The most days that are looked back: more than eight years, between which two leap days may lie.
const MOST_DAYS: i64 = 366 * 9;

/// A set of numbers below 64.
type Set = u64;

/// An expression of cron.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    weekdays: Set,
    seconds: Set,
    /// Whether the last day of a month counts.
    last_day: bool,
    /// Whether days of the month, and days of the week, are limited: where both are, one is enough.
    limited: (bool, bool),
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Cron {
    /// Reads an expression; the error says what is wrong with it.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = match text.trim().to_ascii_lowercase().as_str() {
            "@hourly" => "0 * * * *".to_owned(),
            "@daily" | "@midnight" => "0 0 * * *".to_owned(),
            "@weekly" => "0 0 * * 0".to_owned(),
            "@monthly" => "0 0 1 * *".to_owned(),
            "@yearly" | "@annually" => "0 0 1 1 *".to_owned(),
            other => other.to_owned(),
        };
        let columns: Vec<&str> = text.split_whitespace().collect();
        let (five, seconds) = match columns.as_slice() {
            [five @ .., seconds] if columns.len() == 6 => (five, *seconds),
            five if five.len() == 5 => (five, "0"),
            _ => return Err("Exactly 5, 6 or 7 columns has to be specified for iterator expression.".to_owned()),
        };
        let &[minutes, hours, days, months, weekdays] = five else { return Err(unacceptable(&text)) };
        let last_day = days.split(',').any(|part| part == "l");
        let others: Vec<&str> = days.split(',').filter(|part| *part != "l").collect();
        let weekday_set = set(weekdays, 0, 7, &WEEKDAYS, 0)?;
        Ok(Self {
            minutes: set(minutes, 0, 59, &[], 0)?,
            hours: set(hours, 0, 23, &[], 0)?,
            days: if others.is_empty() { 0 } else { set(&others.join(","), 1, 31, &[], 0)? },
            months: set(months, 1, 12, &MONTHS, 1)?,
            // Sunday is 0 and 7.
            weekdays: (weekday_set | weekday_set >> 7) & 0x7f,
            seconds: set(seconds, 0, 59, &[], 0)?,
            last_day,
            limited: (!matches!(days, "*" | "?"), !matches!(weekdays, "*" | "?")),
        })
    }

    /// The latest begin that is not after `at`; `None` where there was none for years.
    pub fn latest(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let now = zone.to_datetime(jiff::Timestamp::from_microsecond(at.0).ok()?);
        let mut date = now.date();
        // Where clocks went back, what is later on the clock may have begun before.
        let mut last_hour = now.hour().saturating_add(2).min(23);
        for _ in 0..MOST_DAYS {
            if self.has_day(date) {
                for time in self.times_to(last_hour) {
                    let zoned = zone.to_zoned(DateTime::from_parts(date, time)).ok()?;
                    let begin = Timestamp(zoned.timestamp().as_microsecond());
                    if begin <= at {
                        return Some(begin);
                    }
                }
            }
            date = date.yesterday().ok()?;
            last_hour = 23;
        }
        None
    }

    fn has_day(&self, date: Date) -> bool {
        let (month, day) = (date.month(), date.day());
        let weekday = date.weekday().to_sunday_zero_offset();
        let by_day = has(self.days, i64::from(day)) || self.last_day && day == date.days_in_month();
        let by_weekday = has(self.weekdays, i64::from(weekday));
        let fits = match self.limited {
            (true, true) => by_day || by_weekday,
            (true, false) => by_day,
            (false, true) => by_weekday,
            (false, false) => true,
        };
        fits && has(self.months, i64::from(month))
    }

    /// The times of a day up to an hour, the last one first.
    fn times_to(&self, last_hour: i8) -> impl Iterator<Item = Time> + '_ {
        let of = |set: Set, last: i8| (0..=last).rev().filter(move |number| has(set, i64::from(*number)));
        of(self.hours, last_hour).flat_map(move |hour| {
            of(self.minutes, 59)
                .flat_map(move |minute| of(self.seconds, 59).map(move |second| (hour, minute, second)))
                .filter_map(|(hour, minute, second)| Time::new(hour, minute, second, 0).ok())
        })
    }
}

fn has(set: Set, number: i64) -> bool {
    u32::try_from(number).is_ok_and(|number| number < 64 && set >> number & 1 == 1)
}

fn unacceptable(text: &str) -> String {
    format!("[{text}] is not acceptable")
}

/// Reads one column: numbers or names, ranges, steps, lists. The number of the first name is `first`.
fn set(text: &str, low: u32, high: u32, names: &[&str], first: u32) -> Result<Set, String> {
    let number = |word: &str| {
        let named = names.iter().position(|name| *name == word).and_then(|at| u32::try_from(at).ok());
        let number = named.map(|at| at + first).or_else(|| word.parse().ok());
        number.filter(|number| (low..=high).contains(number)).ok_or_else(|| unacceptable(text))
    };
    let mut all = 0;
    for part in text.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let step: usize = match step {
            None => 1,
            Some(step) => step.parse().ok().filter(|step| *step > 0).ok_or_else(|| unacceptable(text))?,
        };
        let (from, to) = match (range, range.split_once('-')) {
            ("*" | "?", _) => (low, if names.len() == 7 { 6 } else { high }),
            (_, Some((from, to))) => (number(from)?, number(to)?),
            (one, None) => (number(one)?, if part.contains('/') { high } else { number(one)? }),
        };
        // A range that goes over the end, as from Friday to Monday.
        let (last, again) = if from <= to { (to, low) } else { (high, to + 1) };
        for number in (from..=last).chain(low..again).step_by(step) {
            all |= 1 << number;
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::{Cron, TimeZone, Timestamp};

    fn latest(cron: &str, zone: &str, at: &str) -> Option<String> {
        let zone = if zone.is_empty() { TimeZone::UTC } else { TimeZone::get(zone).unwrap() };
        Cron::parse(cron).unwrap().latest(Timestamp::parse(at).unwrap(), &zone).map(Timestamp::iso_short)
    }

    #[test]
    fn the_latest_begin_is_found_in_every_column() {
        for (cron, at, begin) in [
            ("0 23 * * *", "2026-01-02T01:00:00", "2026-01-01T23:00:00"),
            ("0 23 * * *", "2026-01-01T23:00:00", "2026-01-01T23:00:00"),
            ("*/15 * * * *", "2026-01-01T10:44:59.9", "2026-01-01T10:30:00"),
            ("0 0 29 2 *", "2026-01-01T00:00:00", "2024-02-29T00:00:00"),
            ("0 9 * * mon-fri", "2026-01-04T12:00:00", "2026-01-02T09:00:00"),
            ("0 9 * * 7", "2026-01-05T00:00:00", "2026-01-04T09:00:00"),
            ("0 9 1 * mon", "2026-01-09T00:00:00", "2026-01-05T09:00:00"),
            ("0 0 l feb *", "2026-03-05T00:00:00", "2026-02-28T00:00:00"),
            ("30 10 * * * 20,40", "2026-01-01T10:30:30", "2026-01-01T10:30:20"),
            ("@hourly", "2026-01-01T10:30:30", "2026-01-01T10:00:00"),
        ] {
            assert_eq!(latest(cron, "", at).as_deref(), Some(begin), "{cron}");
        }
        assert_eq!(latest("0 0 31 2 *", "", "2026-01-01T00:00:00"), None);
    }

    #[test]
    fn zones_are_heeded_where_clocks_change() {
        let berlin = |at| latest("30 2 * * *", "Europe/Berlin", at).unwrap();
        assert_eq!(berlin("2026-01-15T12:00:00"), "2026-01-15T01:30:00");
        assert_eq!(berlin("2026-07-15T12:00:00"), "2026-07-15T00:30:00");
        // There is no half past two on 29 March 2026: it begins an hour later on the clock.
        assert_eq!(berlin("2026-03-29T12:00:00"), "2026-03-29T01:30:00");
        // There are two of them on 25 October 2026: the first one counts.
        assert_eq!(berlin("2026-10-25T12:00:00"), "2026-10-25T00:30:00");
    }

    #[test]
    fn what_is_no_expression_says_so() {
        let error = "Exactly 5, 6 or 7 columns has to be specified for iterator expression.";
        assert_eq!(Cron::parse("bad").unwrap_err(), error);
        for text in ["60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *", "x * * * *"] {
            assert!(Cron::parse(text).is_err(), "{text}");
        }
    }
}
