//! What a new process has to know of those before it: read out of every log of a folder before the first request.
//!
//! Single use needs the lines of the last hours. Revocations need the lines since a segment began with all that stood, which
//! each does whose process knew them. Nothing is verified here, and a log that is damaged is read like the others: whatever a
//! line says was spent is not good again.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use idjag::{Claim, Clock, Notice, ReplayKey, SystemClock};
use memchr::memmem::Finder;
use memchr::{memchr, memrchr};

use crate::crypto::Sealer;
use crate::error::Error;
use crate::folder::{logs, sealer};
use crate::read::is_older;
use crate::segment::{lines_path, scan, segments};
use crate::standing::{self, Said, Table, learn};
use crate::timestamp::parse_timestamp;

/// What was spent and revoked and still counts, as the logs of a folder have it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Remembered {
    /// Keys of `jti`s, and until when each holds: of ID-JAGs, client assertions and proofs of possession.
    pub claims: Vec<Claim>,
    /// From this time on, in seconds since 1970, the logs know everything that was spent: their oldest line. None where
    /// there is no line.
    pub since: Option<i64>,
    pub(crate) stands: Table,
}

impl Remembered {
    /// What was revoked and stands, or left a mark that still counts.
    pub fn revocations(&self) -> Vec<Notice> {
        self.stands.values().map(|said| said.notice.clone()).collect()
    }
}

/// The longest that anything is kept in mind, in seconds: a client assertion, for an hour and four times the leeway, which is
/// 300 s at most; and more, for clocks.
const LONGEST_S: i64 = 3 * 3600;

/// Bytes that are read at once. No line is longer.
const CHUNK: usize = 1 << 20;

/// Reads what was spent and revoked out of the folder `path`, as of `now` in seconds since 1970.
///
/// Reads the segments that were written in the last hours, and of each log at least the last one that begins with what
/// stood; on as many threads as there are cores.
///
/// # Errors
///
/// A file that cannot be read; a revocation that was sealed with another key, in a log that is not frozen.
pub fn remembered(path: &Path, now: i64) -> Result<Remembered, Error> {
    let sealer = sealer(path)?;
    let reader = Reader { now, sealer: sealer.as_ref() };
    let mut remembered = Remembered::default();
    // Of files the system says when they were written; of lines the engine's clock.
    let recent = SystemClock.now().saturating_sub(LONGEST_S);
    let mut logs = logs(path)?
        .into_iter()
        .map(|number| Log::list(path.join(number.to_string()), number))
        .collect::<Result<Vec<_>, _>>()?;
    loop {
        // Each round reads, of each log, what is recent, or one segment more.
        let next: Vec<(usize, PathBuf)> = logs
            .iter_mut()
            .enumerate()
            .flat_map(|(at, log)| log.next(recent).into_iter().map(move |path| (at, path)))
            .collect();
        if next.is_empty() {
            break;
        }
        for ((at, path), found) in next.iter().zip(reader.read_all(&next)) {
            let found = found?;
            let Some(log) = logs.get_mut(*at) else { continue };
            log.is_told |= found.is_told;
            if found.unreadable && !log.is_frozen {
                let what = "has a revocation that cannot be read: it was sealed with another key, or changed; restore `key`, \
                            or freeze the log with `idjag audit freeze` and revoke again";
                return Err(Error::damaged(path, what));
            }
            remembered.claims.extend(found.claims);
            for said in found.said {
                learn(&mut remembered.stands, said);
            }
        }
    }
    remembered.stands.retain(|_, said| said.notice.expires_at >= now);
    for log in &logs {
        remembered.since = remembered.since.max(log.since()?);
    }
    Ok(remembered)
}

/// A log, as far as it was not read.
struct Log {
    number: u32,
    dir: PathBuf,
    is_frozen: bool,
    first: Option<u64>,
    /// The segments that were not read, oldest first.
    unread: Vec<u64>,
    /// Whether a segment was read that says all that stood.
    is_told: bool,
}

impl Log {
    fn list(dir: PathBuf, number: u32) -> Result<Self, Error> {
        let unread = segments(&dir)?;
        let is_frozen = dir.join("frozen").exists();
        Ok(Self { number, is_frozen, first: unread.first().copied(), unread, is_told: false, dir })
    }

    /// The segments to be read next.
    fn next(&mut self, recent: i64) -> Vec<PathBuf> {
        let is_recent = |first: &u64| !is_older(&lines_path(&self.dir, *first), recent);
        let mut from = self.unread.iter().position(is_recent).unwrap_or(self.unread.len());
        if from == self.unread.len() && !self.is_told {
            from = from.saturating_sub(1);
        }
        self.unread.split_off(from).into_iter().map(|first| lines_path(&self.dir, first)).collect()
    }

    /// The time of its oldest line; none where that says nothing of what is missing.
    fn since(&self) -> Result<Option<i64>, Error> {
        // A log that was cut knows less than the others; one that began later was not needed before.
        let Some(first) = self.first.filter(|first| *first > 0 || self.number == 0) else {
            return Ok(None);
        };
        let mut oldest = None;
        scan(&self.dir, first, None, |_, text| {
            oldest = seconds_of(text);
            ControlFlow::Break(())
        })?;
        Ok(oldest)
    }
}

/// What one segment says.
#[derive(Default)]
struct Found {
    claims: Vec<Claim>,
    said: Vec<Said>,
    /// Whether it says all that stood when it began.
    is_told: bool,
    /// Whether a revocation in it could not be read.
    unreadable: bool,
}

#[derive(Clone, Copy)]
struct Reader<'s> {
    now: i64,
    sealer: Option<&'s Sealer>,
}

impl Reader<'_> {
    /// Reads the segments, each on one of the threads.
    fn read_all(&self, paths: &[(usize, PathBuf)]) -> Vec<Result<Found, Error>> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut read = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some((_, path)) = paths.get(at) else { return read };
                read.push((at, self.read(path)));
            }
        };
        let threads = thread::available_parallelism().map_or(1, usize::from).min(paths.len());
        let mut read = Vec::with_capacity(paths.len());
        thread::scope(|scope| {
            let start = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
            let helpers: Vec<_> = (1..threads).filter_map(start).collect();
            read.extend(work());
            for helper in helpers {
                match helper.join() {
                    Ok(theirs) => read.extend(theirs),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        read.sort_unstable_by_key(|(at, _)| *at);
        read.into_iter().map(|(_, found)| found).collect()
    }

    fn read(self, path: &Path) -> Result<Found, Error> {
        let failed = |error| Error::io(path, error);
        let mut found = Found::default();
        let mut file = match File::open(path) {
            // Another process has removed it: it was too old to matter.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            opened => opened.map_err(failed)?,
        };
        let needles = Needles::default();
        let (mut buffer, mut filled) = (vec![0; CHUNK], 0);
        loop {
            let read = file.read(buffer.get_mut(filled..).unwrap_or_default()).map_err(failed)?;
            filled += read;
            let content = buffer.get(..filled).unwrap_or_default();
            // Half a line waits for its rest; one that never comes was promised to nobody.
            let whole = memrchr(b'\n', content).map_or(0, |end| end + 1);
            self.look(content.get(..whole).unwrap_or_default(), &needles, &mut found);
            if read == 0 {
                return Ok(found);
            }
            // More than a line without a newline is none of ours.
            let kept = if whole == 0 && filled == CHUNK { CHUNK } else { whole };
            buffer.copy_within(kept..filled, 0);
            filled -= kept;
        }
    }

    /// Takes what whole lines say. No text within a line can look like these members: its quotes would be escaped.
    fn look(self, lines: &[u8], needles: &Needles, found: &mut Found) {
        for at in needles.spent.find_iter(lines) {
            let line = line_around(lines, at);
            found.claims.extend(spent(line, needles).filter(|claim| claim.expires_at >= self.now));
        }
        for at in needles.revocation.find_iter(lines) {
            let line = line_around(lines, at);
            if needles.standing.find(line).is_some() {
                found.is_told = true;
                continue;
            }
            match standing::read(line, self.sealer) {
                standing::Read::Stands(said) => found.said.push(said),
                standing::Read::Nothing => {}
                standing::Read::Unreadable => found.unreadable = true,
            }
        }
    }
}

/// What is looked for.
struct Needles {
    spent: Finder<'static>,
    hash: Finder<'static>,
    revocation: Finder<'static>,
    standing: Finder<'static>,
}

impl Default for Needles {
    fn default() -> Self {
        Self {
            spent: Finder::new(SPENT),
            hash: Finder::new(HASH),
            revocation: Finder::new(REVOCATION),
            standing: Finder::new(STANDING),
        }
    }
}

const SPENT: &[u8] = b",\"spent_until\":";
const HASH: &[u8] = b",\"jti_hash\":\"";
/// The codes of what is said of revocations, all that there are.
const REVOCATION: &[u8] = b"\"code\":\"IJ20";
const STANDING: &[u8] = b",\"code\":\"IJ203I\",";

/// The line that byte `at` is in, without its newline.
fn line_around(lines: &[u8], at: usize) -> &[u8] {
    let (before, behind) = lines.split_at_checked(at).unwrap_or_default();
    let start = memrchr(b'\n', before).map_or(0, |end| end + 1);
    let end = memchr(b'\n', behind).map_or(lines.len(), |end| at + end);
    lines.get(start..end).unwrap_or_default()
}

/// What a line says that was spent.
fn spent(line: &[u8], needles: &Needles) -> Option<Claim> {
    let until = line.get(needles.spent.find(line)? + SPENT.len()..)?;
    let digits = until.iter().take_while(|byte| byte.is_ascii_digit()).take(18);
    let expires_at = digits.fold(0_i64, |number, digit| number * 10 + i64::from(digit - b'0'));
    let (hexadecimal, _) = line.get(needles.hash.find(line)? + HASH.len()..)?.split_first_chunk::<32>()?;
    let mut key = [0; 16];
    for (octet, digits) in key.iter_mut().zip(hexadecimal.as_chunks().0) {
        let [high, low] = digits.map(digit);
        *octet = high? << 4 | low?;
    }
    Some(Claim { key: ReplayKey::from_bytes(key), expires_at })
}

fn digit(hexadecimal: u8) -> Option<u8> {
    match hexadecimal {
        b'0'..=b'9' => Some(hexadecimal - b'0'),
        b'a'..=b'f' => Some(hexadecimal - b'a' + 10),
        _ => None,
    }
}

/// The time of a line.
fn seconds_of(line: &[u8]) -> Option<i64> {
    const TIMESTAMP: &[u8] = b",\"timestamp\":\"";
    let stamp = line.get(memchr::memmem::find(line, TIMESTAMP)? + TIMESTAMP.len()..)?;
    parse_timestamp(str::from_utf8(stamp.get(..memchr(b'"', stamp)?)?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn what_was_spent_is_read_and_what_only_looks_like_it_is_not() {
        let spent = |line: &str| spent(line.as_bytes(), &Needles::default());
        let claim = spent(&format!(r#"{{"seq":1,"jti_hash":"{KEY}","spent_until":77,"kid":"k"}}"#)).unwrap();
        assert_eq!((claim.key.as_bytes()[1], claim.expires_at), (0x23, 77));
        let hostile = format!(r#"{{"seq":1,"kid":",\"spent_until\":77","jti_hash":"{KEY}"}}"#);
        assert!(spent(&hostile).is_none());
        for short in ["0123", &KEY.replace('f', "g")] {
            assert!(spent(&format!(r#"{{"seq":1,"jti_hash":"{short}","spent_until":77}}"#)).is_none());
        }
    }

    /// Lines that lie across the bytes that are read at once, half a line at the end, and more than a line that is none.
    #[test]
    fn every_whole_line_is_read_wherever_it_lies() {
        let line = |number: usize| {
            let filling = "x".repeat(number % 700);
            format!(
                "{{\"seq\":{number},\"a\":\"{filling}\",\"jti_hash\":\"{number:032x}\",\"spent_until\":{}}}\n",
                number + 10
            )
        };
        let mut text: String = (0..8_000).map(line).collect();
        assert!(text.len() > 3 * CHUNK);
        text.extend(line(8_001).chars().take(60));
        let path = std::env::temp_dir().join(format!("idjag-rebuild-{}", std::process::id()));
        std::fs::write(&path, &text).unwrap();
        let reader = Reader { now: 110, sealer: None };
        let found = reader.read(&path).unwrap();
        assert_eq!(found.claims.len(), 7_900, "those of before are over");
        for (claim, number) in found.claims.iter().zip(100_u128..) {
            assert_eq!(claim.key.as_bytes(), &number.to_be_bytes());
            assert_eq!(u128::try_from(claim.expires_at).unwrap(), number + 10);
        }
        let strange = [text.as_bytes(), &vec![b' '; 2 * CHUNK], b"\n", line(5_000).as_bytes()].concat();
        std::fs::write(&path, strange).unwrap();
        assert_eq!(reader.read(&path).unwrap().claims.len(), 7_901);
        std::fs::remove_file(&path).unwrap();
    }
}
