//! Times as lines have them: UTC, with milliseconds (RFC 3339).

/// Milliseconds since 1970 as `2026-11-25T22:13:56.123Z`, within the years that have four digits.
pub(crate) fn timestamp(at_ms: i64, out: &mut Vec<u8>) {
    const FIRST: i64 = -62_167_219_200_000;
    const LAST: i64 = 253_402_300_799_999;
    let at_ms = at_ms.clamp(FIRST, LAST);
    let at = at_ms.div_euclid(1000);
    let (year, month, day) = date(at.div_euclid(86_400));
    let second = at.rem_euclid(86_400);
    let ms = at_ms.rem_euclid(1000);
    let digit = |value: i64| b'0' + u8::try_from(value.rem_euclid(10)).unwrap_or(0);
    let two = |number: i64| [digit(number / 10), digit(number)];
    let mut text = *b"yyyy-mm-ddThh:mm:ss.msmZ";
    text[0..2].copy_from_slice(&two(year / 100));
    text[2..4].copy_from_slice(&two(year % 100));
    text[5..7].copy_from_slice(&two(month));
    text[8..10].copy_from_slice(&two(day));
    text[11..13].copy_from_slice(&two(second / 3600));
    text[14..16].copy_from_slice(&two(second / 60 % 60));
    text[17..19].copy_from_slice(&two(second % 60));
    text[20..22].copy_from_slice(&two(ms / 10));
    text[22] = digit(ms);
    out.extend_from_slice(&text);
}

/// Seconds since 1970 of a time as lines have it: `2026-11-25T22:13:56.123Z`, or without milliseconds, which are cut off.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| {
        text.get(from..to).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?.parse::<i64>().ok()
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let ms = if text.len() == 20 { 0 } else { number(20, 23)? };
    // Days are counted from 0000-03-01, so that a leap day ends a year, in eras of 400 years.
    let shifted = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let at = days * 86_400 + hour * 3600 + minute * 60 + second;
    let mut again = Vec::new();
    timestamp(at * 1000 + ms, &mut again);
    let (whole, fraction) = again.split_at_checked(19)?;
    let is_it = again == text.as_bytes() || text.as_bytes() == [whole, b"Z"].concat() && fraction == b".000Z";
    is_it.then_some(at)
}

/// Year, month and day of a number of days since 1970.
fn date(days: i64) -> (i64, i64, i64) {
    // As above: days from 0000-03-01, in eras of 400 years.
    let day = days + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(at_ms: i64) -> String {
        let mut out = Vec::new();
        timestamp(at_ms, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (at_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_010, "2000-03-01T00:00:00.010Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (i64::MIN, "0000-01-01T00:00:00.000Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(written(at_ms), text);
        }
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        for at in [0, 1, -1, 951_782_399, 951_782_400, 951_868_800, 1_795_644_836, 253_402_300_799] {
            for ms in [0, 7, 999] {
                let text = written(at * 1000 + ms);
                assert_eq!(parse_timestamp(&text), Some(at), "{text}");
            }
            let whole = written(at * 1000).replace(".000Z", "Z");
            assert_eq!(parse_timestamp(&whole), Some(at), "{whole}");
        }
        for wrong in [
            "",
            "2026-11-25",
            "2026-02-30T00:00:00Z",
            "2026-11-25T22:13:56+",
            "2026-11-25T24:00:00Z",
            "2026-11-25T22:13:56.1Z",
            "2026-11-25T22:13:56.+12Z",
            "2026-11-25T22:13:56.1234Z",
            "2026-11-25 22:13:56.123Z",
        ] {
            assert_eq!(parse_timestamp(wrong), None, "{wrong}");
        }
    }
}
