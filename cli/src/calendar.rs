//! Dates for the texts that are written here: a `review_by` that lies ahead.

/// The UTC date `days` after `now`, in seconds since 1970, as `YYYY-MM-DD`.
pub(crate) fn date_after(now: i64, days: i64) -> String {
    // Days are counted from 0000-03-01, so that a leap day ends a year, in eras of 400 years.
    let day = now.div_euclid(86_400).saturating_add(days).saturating_add(719_468);
    let (era, day_of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_days_of_the_calendar() {
        assert_eq!(date_after(0, 0), "1970-01-01");
        assert_eq!(date_after(951_782_399, 0), "2000-02-28");
        assert_eq!(date_after(951_782_399, 1), "2000-02-29");
        assert_eq!(date_after(951_782_399, 2), "2000-03-01");
        assert_eq!(date_after(1_784_527_276, 180), "2027-01-16");
    }
}
