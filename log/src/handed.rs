//! The record of a host that keeps it elsewhere: the lines of a log, handed over one by one.
//!
//! No folder, no thread, no tree: what becomes of the lines, and that nobody changes them, is the host's.

use std::fmt;

use idjag::{Event, Fact, Note, Receipt, Record, RecordUnavailable};

use crate::line::{self, Subjects};
use crate::note_line;

/// Bytes of a line, as a rule.
const USUAL: usize = 1024;

/// Takes the lines of a record. Called on the threads of requests and on those that fetch keys, by several at once.
pub trait Keeper: Send + Sync {
    /// Takes one line: a JSON object without an end of line, below 64 KiB. What it gives is waited for before a token is handed
    /// out or a revocation is answered; of refusals and notes nothing is waited for.
    ///
    /// # Errors
    ///
    /// It cannot be kept: then nothing is issued, and the client is told to try again.
    fn take(&self, line: &[u8]) -> Result<Receipt, RecordUnavailable>;

    /// Returns when what was taken is as durable as the host promises.
    ///
    /// # Errors
    ///
    /// It will not be: as above.
    fn wait(&self, receipt: Receipt) -> Result<(), RecordUnavailable>;
}

/// A record whose lines a [`Keeper`] takes: those of a [`Log`](crate::Log), without their numbers. People are named as the IdP
/// names them. Of refusals each is a line, also of those that anybody can make.
pub struct Handed<K> {
    keeper: K,
}

impl<K: Keeper> Handed<K> {
    /// One that hands everything to `keeper`.
    pub const fn to(keeper: K) -> Self {
        Self { keeper }
    }
}

impl<K: Keeper> Record for Handed<K> {
    fn queue(&self, event: &Event<'_>) -> Result<Receipt, RecordUnavailable> {
        let mut line = Vec::with_capacity(USUAL);
        line::exchange(&mut line, event, &Subjects::Plain);
        self.keeper.take(&object(line))
    }

    fn wait(&self, receipt: Receipt) -> Result<(), RecordUnavailable> {
        self.keeper.wait(receipt)
    }

    fn keep(&self, at_ms: i64, fact: &Fact<'_>) -> Result<Receipt, RecordUnavailable> {
        let mut line = Vec::with_capacity(USUAL);
        match fact {
            Fact::Spent { purpose, claim, client_id } => {
                line::spent(&mut line, at_ms, *purpose, claim, client_id);
            }
            Fact::Revocation { of, lifted, .. } => note_line::revoked(&mut line, at_ms, of, *lifted),
            _ => return Ok(Receipt(0)),
        }
        self.keeper.take(&object(line))
    }

    fn note(&self, at_ms: i64, note: &Note<'_>) {
        note_line::lines(note, at_ms, |line| {
            // It has happened whether it can be taken or not.
            let _ = self.keeper.take(&object(line.to_vec()));
        });
    }
}

/// What a log has behind a number, as an object of its own, without its end of line.
fn object(mut rest: Vec<u8>) -> Vec<u8> {
    if let Some(comma) = rest.first_mut() {
        *comma = b'{';
    }
    rest.pop();
    rest
}

impl<K> fmt::Debug for Handed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handed").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use idjag::Reason;

    use super::*;

    #[derive(Default)]
    struct Kept {
        lines: Mutex<Vec<serde_json::Value>>,
        is_full: bool,
    }

    impl Keeper for Kept {
        fn take(&self, line: &[u8]) -> Result<Receipt, RecordUnavailable> {
            assert!(!line.contains(&b'\n'));
            let mut lines = self.lines.lock().unwrap();
            lines.push(serde_json::from_slice(line).unwrap());
            if self.is_full { Err(RecordUnavailable) } else { Ok(Receipt(lines.len() as u64)) }
        }

        fn wait(&self, receipt: Receipt) -> Result<(), RecordUnavailable> {
            if receipt.0 == 1 { Ok(()) } else { Err(RecordUnavailable) }
        }
    }

    #[test]
    fn a_keeper_gets_whole_objects_and_has_the_last_word() {
        let record = Handed::to(Kept::default());
        let mut event = Event::default();
        (event.subject, event.refusal) = ("ada\n", Some(Reason::Expired.into()));
        assert_eq!(record.queue(&event), Ok(Receipt(1)));
        assert_eq!(record.queue(&event), Ok(Receipt(2)));
        assert_eq!(record.wait(Receipt(1)), Ok(()));
        assert_eq!(record.wait(Receipt(2)), Err(RecordUnavailable));
        record.note(5, &Note::Keys { issuer: "https://idp.example", usable: 2 });
        let lines = record.keeper.lines.lock().unwrap();
        assert_eq!((&lines[0]["sub"], &lines[0]["reason"]), (&"ada\n".into(), &"expired".into()));
        assert_eq!((&lines[2]["event"], &lines[2]["usable"]), (&"keys_changed".into(), &2.into()));
        assert!(lines.iter().all(|line| line["timestamp"].is_string() && line.get("seq").is_none()));
        let full = Handed::to(Kept { is_full: true, ..Kept::default() });
        assert_eq!(full.queue(&event), Err(RecordUnavailable));
        full.note(5, &Note::Keys { issuer: "https://idp.example", usable: 2 });
    }
}
