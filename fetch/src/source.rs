//! The state of what is fetched, for whoever looks after it.

use idjag::KeyOwner;

/// Whether keys are to be had, and how they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freshness {
    /// They are as young as they should be.
    Fresh,
    /// They should have been fetched anew, which failed; they still count.
    Stale,
    /// There are none, or they were too old.
    Absent,
}

impl Freshness {
    /// One word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Absent => "absent",
        }
    }
}

/// One key set that is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceState {
    /// Whose keys they are.
    pub owner: KeyOwner,
    /// Where they are, once that is known.
    pub uri: Option<String>,
    /// How they stand.
    pub freshness: Freshness,
    /// Seconds since they were last known to be so.
    pub age_s: Option<i64>,
    /// Whether they are from the cache of an earlier run and were not confirmed since.
    pub is_kept: bool,
    /// Seconds until they are fetched next; negative: it is overdue.
    pub next_s: i64,
    /// How many fetches have ended, and how many of the last came to nothing.
    pub fetches: u64,
    /// How many of the last came to nothing.
    pub failures: u32,
    /// Why the last one came to nothing.
    pub last_error: Option<String>,
}
