//! A calendar date without a time (RFC 3339 `full-date`), as `review_by` and `enabled_on` have it. Days are UTC days.

use std::fmt;

/// A date of the Gregorian calendar, from 0000-01-01 to 9999-12-31. Earlier dates compare as smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    // The order of the fields is the order of comparison.
    year: u16,
    month: u8,
    day: u8,
}

/// Days from 1970-01-01 to the first and the last date that there is.
const DAYS: std::ops::RangeInclusive<i64> = -719_528..=2_932_896;

impl Date {
    /// The date of three numbers, if the calendar has it.
    pub(super) fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        (year <= 9999 && (1..=days).contains(&day)).then_some(Self { year, month, day })
    }

    /// Reads `YYYY-MM-DD` and nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        Self::new(
            digits(year, 4)?,
            u8::try_from(digits(month, 2)?).ok()?,
            u8::try_from(digits(day, 2)?).ok()?,
        )
    }

    /// The UTC date of a time in seconds since 1970-01-01T00:00:00Z; the first or last date when it lies outside.
    pub(crate) fn from_unix(seconds: i64) -> Self {
        // Days are counted from 0000-03-01, so that a leap day ends a year, in eras of 400 years.
        let days = seconds.div_euclid(86_400).clamp(*DAYS.start(), *DAYS.end()) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        Self {
            year: u16::try_from(year).unwrap_or_default(),
            month: u8::try_from(month).unwrap_or_default(),
            day: u8::try_from(day).unwrap_or_default(),
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// The number that exactly `length` digits stand for.
fn digits(text: &str, length: usize) -> Option<u16> {
    if text.len() != length || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_is_read() {
        assert_eq!(Date::parse("2027-02-01").unwrap().to_string(), "2027-02-01");
        assert_eq!(Date::parse("2024-02-29").unwrap().to_string(), "2024-02-29");
        for refused in [
            "",
            "2027",
            "2027-02",
            "2027-2-1",
            "27-02-01",
            "2027-02-30",
            "2025-02-29",
            "2100-02-29",
            "2027-13-01",
            "2027-00-01",
            "2027-01-00",
            "2027-02-01 ",
            "2027-02-01T00:00:00Z",
            "+027-02-01",
            "2027-02-01-",
            "2027/02/01",
            "02027-02-01",
        ] {
            assert_eq!(Date::parse(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn days_follow_one_another() {
        assert_eq!(Date::from_unix(0).to_string(), "1970-01-01");
        assert_eq!(Date::from_unix(-1).to_string(), "1969-12-31");
        assert_eq!(Date::from_unix(951_782_400).to_string(), "2000-02-29");
        assert_eq!(Date::from_unix(1_801_439_999).to_string(), "2027-01-31");
        assert_eq!(Date::from_unix(1_801_440_000).to_string(), "2027-02-01");
        assert_eq!(Date::from_unix(i64::MIN).to_string(), "0000-01-01");
        assert_eq!(Date::from_unix(i64::MAX).to_string(), "9999-12-31");
        let mut before = Date::from_unix(i64::MIN);
        for day in DAYS.skip(1) {
            let date = Date::from_unix(day * 86_400);
            assert!(before < date);
            assert_eq!(Date::new(date.year, date.month, date.day), Some(date));
            before = date;
        }
    }
}
