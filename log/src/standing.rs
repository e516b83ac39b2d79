//! The revocations that stand, which a log says again at the beginning of each segment: so a start has to read no further
//! back than the last beginning, and older segments may go.
//!
//! A line says in words what was revoked, and beside that how it stands, as engines tell each other (`stands`). Where people
//! are not to be named, that is sealed with the folder's key (`stands_sealed`): the next process has to know, and nobody else.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64_simd::STANDARD;
use idjag::{Notice, Receipt, RecordUnavailable, Revocation};
use parking_lot::Mutex;
use serde::Deserialize;

use crate::crypto::Sealer;
use crate::line::{Line, Subjects};
use crate::note_line::revocation;
use crate::queue::Queue;

/// Bytes of a notice, at most: escaped, it still fits into a line.
const LONGEST: usize = 16 << 10;

/// What stands, and when that was said first, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) said_ms: i64,
    pub(crate) notice: Notice,
}

/// What stands, by what it is about.
pub(crate) type Table = BTreeMap<[u8; 16], Said>;

/// Takes `said`, unless something later is known.
pub(crate) fn learn(table: &mut Table, said: Said) {
    let known = table.get(said.notice.key.as_bytes());
    if known.is_none_or(|known| known.said_ms <= said.said_ms) {
        table.insert(*said.notice.key.as_bytes(), said);
    }
}

/// What of a log's revocations its process knows.
pub(crate) struct Standing {
    inner: Mutex<Inner>,
    subjects: Arc<Subjects>,
    sealer: Option<Sealer>,
    /// The number after the last line that says that all that stands was said.
    told: AtomicU64,
}

#[derive(Default)]
struct Inner {
    table: Table,
    /// Whether what stood before this process is in there. Otherwise nothing is said again: it would not be all.
    complete: bool,
    /// The latest time of the engine that was heard of, in milliseconds since 1970.
    now_ms: i64,
}

impl Standing {
    pub(crate) fn new(subjects: Arc<Subjects>, sealer: Option<Sealer>) -> Self {
        Self { inner: Mutex::default(), subjects, sealer, told: AtomicU64::new(0) }
    }

    /// Takes what stood before, as of `now` in seconds since 1970, and says it.
    pub(crate) fn begin(&self, stood: Table, now: i64, queue: &Queue) -> Result<Receipt, RecordUnavailable> {
        let mut inner = self.inner.lock();
        for said in stood.into_values() {
            learn(&mut inner.table, said);
        }
        inner.complete = true;
        inner.now_ms = inner.now_ms.max(now.saturating_mul(1000));
        self.say(&mut inner, queue)
    }

    /// Says again what stands, where that is all known. A queue that is full says it at the next time.
    pub(crate) fn say_again(&self, queue: &Queue) {
        let mut inner = self.inner.lock();
        if inner.complete {
            let _ = self.say(&mut inner, queue);
        }
    }

    fn say(&self, inner: &mut Inner, queue: &Queue) -> Result<Receipt, RecordUnavailable> {
        let now = inner.now_ms.div_euclid(1000);
        inner.table.retain(|_, said| said.notice.expires_at >= now);
        for Said { said_ms, notice } in inner.table.values() {
            let mut said = Ok(Receipt(0));
            notice.tell(|of, _| {
                said = self.in_words(notice, of).and_then(|words| {
                    queue.say("IJ202I", "stands", |line| self.members(line, of, Some((&words, *said_ms))))
                });
            });
            said?;
        }
        let count = i64::try_from(inner.table.len()).unwrap_or(i64::MAX);
        let receipt = queue.say("IJ203I", "standing", |line| line.number("count", count))?;
        self.told.store(receipt.0, Ordering::Release);
        Ok(receipt)
    }

    /// The number after the last line that says that all that stands was said; 0 where there is none.
    pub(crate) fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    /// Takes what was revoked or lifted at `at_ms`, and queues its line.
    pub(crate) fn change(
        &self,
        at_ms: i64,
        of: &Revocation<'_>,
        lifted: bool,
        notice: Option<&Notice>,
        queue: &Queue,
    ) -> Result<Receipt, RecordUnavailable> {
        let words = notice.map(|notice| self.in_words(notice, of)).transpose()?;
        let (code, event) = if lifted { ("IJ201I", "lifted") } else { ("IJ200I", "revoked") };
        let mut out = Vec::new();
        let mut line = Line::new(&mut out, at_ms, code, event);
        self.members(&mut line, of, words.as_ref().map(|words| (words, at_ms)));
        line.end();
        // Held until the line is queued: the order of the lines is that of what they say.
        let mut inner = self.inner.lock();
        let receipt = queue.push(&out)?;
        inner.now_ms = inner.now_ms.max(at_ms);
        if let Some(notice) = notice {
            learn(&mut inner.table, Said { said_ms: at_ms, notice: notice.clone() });
        }
        Ok(receipt)
    }

    fn members(&self, line: &mut Line<'_>, of: &Revocation<'_>, stands: Option<(&Words, i64)>) {
        revocation(line, of, &self.subjects);
        if let Some((Words { member, text }, said_ms)) = stands {
            line.number("said", said_ms);
            line.text_up_to(member, text, 2 * LONGEST);
        }
    }

    /// How something stands, for a line; refused where it is too long to be read back.
    fn in_words(&self, notice: &Notice, of: &Revocation<'_>) -> Result<Words, RecordUnavailable> {
        if notice.text.len() > LONGEST {
            return Err(RecordUnavailable);
        }
        let words = if matches!(of, Revocation::Person { .. }) && !matches!(*self.subjects, Subjects::Plain) {
            let sealed = self.sealer.as_ref().and_then(|sealer| sealer.seal(&notice.text));
            sealed.map(|sealed| Words { member: SEALED, text: STANDARD.encode_to_string(sealed) })
        } else {
            str::from_utf8(&notice.text).ok().map(|text| Words { member: PLAIN, text: text.to_owned() })
        };
        words.ok_or(RecordUnavailable)
    }
}

const PLAIN: &str = "stands";
const SEALED: &str = "stands_sealed";

/// A member of a line.
struct Words {
    member: &'static str,
    text: String,
}

/// The members of a line about a revocation that are read back.
#[derive(Deserialize)]
struct Members<'l> {
    said: Option<i64>,
    #[serde(borrow)]
    stands: Option<Cow<'l, str>>,
    stands_sealed: Option<&'l str>,
}

/// What a line was found to say.
pub(crate) enum Read {
    /// How something stands.
    Stands(Said),
    /// Nothing that would have to be known.
    Nothing,
    /// It is sealed, and not with this key; or it is not as such a line is.
    Unreadable,
}

/// Reads a line about a revocation.
pub(crate) fn read(line: &[u8], sealer: Option<&Sealer>) -> Read {
    let Ok(Members { said, stands, stands_sealed }) = serde_json::from_slice(line) else {
        return Read::Unreadable;
    };
    let text = match (stands, stands_sealed) {
        (None, None) => return Read::Nothing,
        (Some(plain), _) => Some(plain.into_owned().into_bytes()),
        (None, Some(hidden)) => STANDARD.decode_to_vec(hidden).ok().and_then(|hidden| sealer?.open(&hidden)),
    };
    match (said, text.as_deref().and_then(Notice::read)) {
        (Some(said_ms), Some(notice)) => Read::Stands(Said { said_ms, notice }),
        _ => Read::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use idjag::SubjectForm;

    use super::*;
    use crate::queue::Taken;

    const ANN: Revocation<'_> =
        Revocation::Person { issuer: "https://a.example", tenant: Some(""), subject: "ann\u{202e}\u{1}" };

    fn standing(form: SubjectForm, secret: u8) -> Standing {
        Standing::new(Arc::new(Subjects::new(form, &[1; 32])), Sealer::new(&[secret; 32]))
    }

    fn notice(blocked: bool) -> Notice {
        let text = format!(
            "{{\"kind\":\"person\",\"name\":\"ann\u{202e}\\u0001\",\"issuer\":\"https://a.example\",\"tenant\":\"\",\
             \"not_before\":5,\"blocked\":{blocked},\"expires_at\":{}}}",
            if blocked { i64::MAX } else { 900 }
        );
        Notice::read(text.as_bytes()).unwrap()
    }

    fn lines(queue: &Queue) -> Vec<String> {
        let mut lines = Vec::new();
        let now = std::time::Instant::now;
        assert!(matches!(queue.take(&mut lines, false, now(), now), Taken::Lines { .. } | Taken::Nothing));
        String::from_utf8(lines).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_stands_is_read_as_it_was_said_by_whoever_has_the_key() {
        for (form, sealed) in
            [(SubjectForm::Plain, false), (SubjectForm::Hmac, true), (SubjectForm::Omit, true)]
        {
            let (here, queue) = (standing(form, 7), Queue::new(0));
            here.change(5_250, &ANN, false, Some(&notice(true)), &queue).unwrap();
            let [line] = &lines(&queue)[..] else { panic!("one line") };
            assert_eq!(line.contains("ann"), !sealed, "{line}");
            assert!(line.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{line}");
            let sealer = Sealer::new(&[7; 32]);
            let Read::Stands(said) = read(line.as_bytes(), sealer.as_ref()) else { panic!("{line}") };
            assert_eq!(said, Said { said_ms: 5_250, notice: notice(true) });
            let other = Sealer::new(&[8; 32]);
            assert_eq!(matches!(read(line.as_bytes(), other.as_ref()), Read::Unreadable), sealed);
        }
    }

    #[test]
    fn what_stands_is_said_again_until_it_ends_and_by_who_knows_all() {
        let (here, queue) = (standing(SubjectForm::Plain, 7), Queue::new(0));
        here.change(100_000, &ANN, false, Some(&notice(true)), &queue).unwrap();
        lines(&queue);
        here.say_again(&queue);
        assert!(lines(&queue).is_empty(), "what stood before is not known");
        let client =
            br#"{"kind":"client","name":"c","not_before":1,"blocked":true,"expires_at":9223372036854775807}"#;
        let client = Said { said_ms: 1, notice: Notice::read(client).unwrap() };
        let earlier = Said { said_ms: 99_999, notice: notice(false) };
        let mut stood = Table::new();
        learn(&mut stood, client);
        learn(&mut stood, earlier);
        here.begin(stood, 100, &queue).unwrap();
        let said = lines(&queue);
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[2].contains("\"event\":\"standing\",\"count\":2"), "{said:?}");
        let about_ann = said.iter().find(|line| line.contains("ann")).unwrap();
        assert!(
            about_ann.contains("\\\"blocked\\\":true") && about_ann.contains("\"said\":100000"),
            "{about_ann}"
        );

        here.change(200_000, &ANN, true, Some(&notice(false)), &queue).unwrap();
        lines(&queue);
        here.say_again(&queue);
        let said = lines(&queue).join("\n");
        assert!(
            said.contains("ann") && said.contains("\\\"blocked\\\":false"),
            "its mark outlives the block: {said}"
        );
        here.change(901_000, &Revocation::Client("d"), true, None, &queue).unwrap();
        lines(&queue);
        here.say_again(&queue);
        assert_eq!(lines(&queue).len(), 2, "and is over");
    }

    #[test]
    fn what_could_not_be_read_back_is_refused() {
        let name = "a".repeat(LONGEST);
        let text = format!(
            "{{\"kind\":\"client\",\"name\":\"{name}\",\"not_before\":1,\"blocked\":true,\"expires_at\":1}}"
        );
        let notice = Notice::read(text.as_bytes()).unwrap();
        let (here, queue) = (standing(SubjectForm::Plain, 7), Queue::new(0));
        let refused = here.change(1, &Revocation::Client(&name), false, Some(&notice), &queue);
        assert_eq!(refused, Err(RecordUnavailable));
        assert!(matches!(read(b"{\"said\":1}", None), Read::Nothing));
        assert!(matches!(read(b"{\"said\":1,\"stands\":\"x\"}", None), Read::Unreadable));
        assert!(matches!(read(b"{", None), Read::Unreadable));
    }
}
