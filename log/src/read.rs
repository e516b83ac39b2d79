//! Reading a record: every line of every log of a folder, and what of it a new process has to know.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use idjag::{Claim, Clock, ReplayKey, SystemClock};

use crate::error::Error;
use crate::folder::logs;
use crate::line::timestamp;
use crate::segment::{lines_path, scan, segments};

/// One line of a record.
#[derive(Clone, Copy, Debug)]
pub struct Line<'l> {
    /// The log that it stands in.
    pub log: u32,
    /// Its number there.
    pub number: u64,
    /// A JSON object, without the newline.
    pub text: &'l str,
}

/// Reads every line of every log in the folder `path`, one log after the other, each in its order. With `since`, in seconds
/// since 1970, files that were last written before are passed over, and the lines in the others are not looked at. `each`
/// may end it.
///
/// # Errors
///
/// A file that cannot be read.
pub fn lines(
    path: &Path,
    since: Option<i64>,
    mut each: impl FnMut(Line<'_>) -> ControlFlow<()>,
) -> Result<(), Error> {
    for log in logs(path)? {
        let dir = path.join(log.to_string());
        let firsts = segments(&dir)?;
        for (at, first) in firsts.iter().enumerate() {
            if since.is_some_and(|since| is_older(&lines_path(&dir, *first), since)) {
                continue;
            }
            let mut ended = false;
            scan(&dir, *first, firsts.get(at + 1).copied(), |number, text| {
                let flow = str::from_utf8(text)
                    .map_or(ControlFlow::Continue(()), |text| each(Line { log, number, text }));
                ended = flow.is_break();
                flow
            })?;
            if ended {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether a file was last written before `since`. A file that does not say so was not.
fn is_older(path: &Path, since: i64) -> bool {
    let written = fs::metadata(path).and_then(|metadata| metadata.modified());
    let since = u64::try_from(since).map(|since| UNIX_EPOCH + Duration::from_secs(since));
    matches!((written, since), (Ok(written), Ok(since)) if written < since)
}

/// What was spent and still counts, as the logs of a folder have it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Remembered {
    /// Keys of `jti`s, and until when each holds.
    pub claims: Vec<Claim>,
    /// From this time on, in seconds since 1970, the logs know everything that was spent: their oldest line. None where
    /// there is no line.
    pub since: Option<i64>,
}

/// The longest that an assertion is kept in mind, in seconds: an hour, and twice the leeway, which is an hour at most.
const LONGEST_S: i64 = 3 * 3600;

/// Reads what was spent out of the folder `path`, as of `now` in seconds since 1970.
///
/// Looks at lines of the last hours only. Costs about as much as reading them.
///
/// # Errors
///
/// A file that cannot be read.
pub fn remembered(path: &Path, now: i64) -> Result<Remembered, Error> {
    let mut remembered = Remembered::default();
    // Of files the system says when they were written; of lines the engine's clock.
    lines(path, Some(SystemClock.now().saturating_sub(LONGEST_S)), |line| {
        remembered.claims.extend(spent(line.text).filter(|claim| claim.expires_at >= now));
        ControlFlow::Continue(())
    })?;
    for log in logs(path)? {
        let dir = path.join(log.to_string());
        let Some(first) = segments(&dir)?.first().copied() else { continue };
        // A log that was cut knows less than the others; one that began later was not needed before.
        if first == 0 && log != 0 {
            continue;
        }
        let mut oldest = None;
        scan(&dir, first, None, |_, text| {
            oldest = seconds_of(text);
            ControlFlow::Break(())
        })?;
        remembered.since = remembered.since.max(oldest);
    }
    Ok(remembered)
}

/// What a line says that was spent. No text within a line can look like these members: its quotes would be escaped.
fn spent(text: &str) -> Option<Claim> {
    let bytes = text.as_bytes();
    let until = after(bytes, b",\"spent_until\":")?;
    let digits = until.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(until.len());
    let expires_at = str::from_utf8(until.get(..digits)?).ok()?.parse().ok()?;
    let mut key = [0; 16];
    let hexadecimal = after(bytes, b",\"jti_hash\":\"")?.get(..32)?;
    for (octet, digits) in key.iter_mut().zip(hexadecimal.chunks_exact(2)) {
        *octet = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(Claim { key: ReplayKey::from_bytes(key), expires_at })
}

fn after<'t>(text: &'t [u8], what: &[u8]) -> Option<&'t [u8]> {
    text.get(memchr::memmem::find(text, what)? + what.len()..)
}

/// The time of a line.
fn seconds_of(text: &[u8]) -> Option<i64> {
    let stamp = after(text, b",\"timestamp\":\"")?.get(..20)?;
    parse_timestamp(str::from_utf8(stamp).ok()?)
}

/// Seconds since 1970 of a time as lines have it: `2026-11-25T22:13:56Z`.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // Days are counted from 0000-03-01, so that a leap day ends a year, in eras of 400 years.
    let shifted = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let at = days * 86_400 + hour * 3600 + minute * 60 + second;
    let mut again = Vec::new();
    timestamp(at, &mut again);
    (again == text.as_bytes()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for at in [0, 1, -1, 951_782_399, 951_782_400, 951_868_800, 1_795_644_836, 253_402_300_799] {
            let mut text = Vec::new();
            timestamp(at, &mut text);
            assert_eq!(parse_timestamp(str::from_utf8(&text).unwrap()), Some(at));
        }
        for wrong in
            ["", "2026-11-25", "2026-02-30T00:00:00Z", "2026-11-25T22:13:56+", "2026-11-25T24:00:00Z"]
        {
            assert_eq!(parse_timestamp(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_was_spent_is_read_and_what_only_looks_like_it_is_not() {
        let key = "0123456789abcdef0123456789abcdef";
        let claim = spent(&format!(r#"{{"seq":1,"jti_hash":"{key}","spent_until":77,"kid":"k"}}"#)).unwrap();
        assert_eq!((claim.key.as_bytes()[1], claim.expires_at), (0x23, 77));
        let hostile = format!(r#"{{"seq":1,"kid":",\"spent_until\":77","jti_hash":"{key}"}}"#);
        assert!(spent(&hostile).is_none());
        assert!(spent(r#"{"seq":1,"jti_hash":"0123","spent_until":77}"#).is_none());
    }
}
