//! Reading a record: every line of every log of a folder, in order.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::error::Error;
use crate::folder::logs;
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
pub(crate) fn is_older(path: &Path, since: i64) -> bool {
    let written = fs::metadata(path).and_then(|metadata| metadata.modified());
    let since = u64::try_from(since).map(|since| UNIX_EPOCH + Duration::from_secs(since));
    matches!((written, since), (Ok(written), Ok(since)) if written < since)
}
