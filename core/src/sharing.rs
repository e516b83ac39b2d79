//! Revocations: made here, told to engines that share the store, and heard from them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;

use crate::exchange::Exchange;
use crate::notices::{Board, BoardUnavailable, Notice};
use crate::reason::{Reason, Refusal};
use crate::record::{Fact, waited};
use crate::revoked::{Revocation, Revoked};
use crate::state::State;

/// No token is accepted for longer after it was issued: a day, whatever `tokens.ttl_s` is or was, and an hour for clocks.
const LONGEST_TOKEN_S: i64 = 86_400 + 3_600;

/// How far an engine has listened to the others.
pub(crate) struct Listening {
    /// The second of the engine's time in which it listened last.
    at: AtomicI64,
    heard: Mutex<Heard>,
    /// Held by who revokes or lifts.
    settling: Mutex<()>,
}

#[derive(Default)]
struct Heard {
    /// The number of the last change.
    change: Option<u64>,
    /// Since when the store remembered when everything that stands here had been told to it.
    told_since: Option<i64>,
}

impl Default for Listening {
    fn default() -> Self {
        Self { at: AtomicI64::new(i64::MIN), heard: Mutex::default(), settling: Mutex::default() }
    }
}

impl Exchange {
    /// Revokes as of now: tokens issued until now end at the next [`verify`](Self::verify), and new exchanges are
    /// refused until [`lift`](Self::lift). Engines that share the store follow within one second of their clocks, at the
    /// next request that each of them gets.
    ///
    /// # Errors
    ///
    /// It stands here, but the record or the store could not be reached, so that it may end with this process or be unknown to
    /// the others: to be tried again.
    pub fn revoke(&self, revocation: &Revocation<'_>) -> Result<(), Refusal> {
        self.settle(revocation, false)
    }

    /// Lets new exchanges through again. Tokens that were revoked stay revoked.
    ///
    /// # Errors
    ///
    /// As for [`revoke`](Self::revoke).
    pub fn lift(&self, revocation: &Revocation<'_>) -> Result<(), Refusal> {
        self.settle(revocation, true)
    }

    /// Changes it here, then in the record, then in the store.
    fn settle(&self, revocation: &Revocation<'_>, lifted: bool) -> Result<(), Refusal> {
        let now = self.now();
        // One after the other, so that the record's last line on it is how it stands.
        let turn = self.listening.settling.lock();
        self.change(|state| {
            let revoked = if lifted {
                state.revoked.lifted(revocation)
            } else {
                state.revoked.expired_dropped(now).with(revocation, now)
            };
            State { revoked: Arc::new(revoked), ..state.next() }
        });
        // Nothing of the state is held while record and store are waited for: whoever changes it would wait.
        let (server, standing) = {
            let state = self.load();
            (Arc::clone(&state.server), state.revoked.standing(revocation))
        };
        let record = server.record();
        let notice = standing.map(|standing| Notice::of(revocation, standing, now, LONGEST_TOKEN_S));
        let fact = Fact::Revocation { of: revocation, lifted, notice: notice.as_ref() };
        let kept = record.keep(self.latest_ms(), &fact);
        drop(turn);
        let kept = kept.and_then(|receipt| waited(record, receipt));
        let told = match (self.replay.board(), &notice) {
            (Some(board), Some(notice)) => board.post(notice, now),
            _ => Ok(()),
        };
        kept.map_err(|_| Reason::RecordUnavailable)?;
        told.map_err(|_| Reason::ReplayUnavailable.into())
    }

    /// Listens to the engines that share the store, once in a second of the engine's time: one thread asks, the others go on
    /// with what is known. While the store is out of reach, that is what counts.
    pub(crate) fn listen(&self, now: i64) {
        let Some(board) = self.replay.board() else {
            return;
        };
        if now <= self.listening.at.load(Ordering::Relaxed) {
            return;
        }
        let Some(mut heard) = self.listening.heard.try_lock() else {
            return;
        };
        self.listening.at.store(now, Ordering::Relaxed);
        // A store that forgot is told again, by each that still knows, and so is one that is new to this engine. What it says
        // itself is newer.
        let since = self.replay.remembers_since();
        let tells = heard.told_since != since;
        let Ok(Some((change, notices))) = board.read(heard.change.filter(|_| !tells), now) else {
            return;
        };
        if !notices.is_empty() {
            self.change(|state| State {
                revoked: Arc::new(state.revoked.expired_dropped(now).heard(&notices)),
                ..state.next()
            });
        }
        if !tells || self.tell_all(board, &notices, now).is_ok() {
            *heard = Heard { change: Some(change), told_since: since };
        }
    }

    /// Tells the store of everything that stands here but what it `said`.
    fn tell_all(&self, board: &dyn Board, said: &[Notice], now: i64) -> Result<(), BoardUnavailable> {
        let said: HashSet<_> = said.iter().map(|notice| notice.key).collect();
        let mut notices = Vec::new();
        self.load().revoked.each(|revocation, standing| {
            notices.push(Notice::of(revocation, standing, now, LONGEST_TOKEN_S));
        });
        let mut untold = notices.iter().filter(|notice| !said.contains(&notice.key));
        untold.try_for_each(|notice| board.post(notice, now))
    }
}

impl Revoked {
    /// These, and what `notices` say.
    pub(crate) fn heard(mut self, notices: &[Notice]) -> Self {
        for notice in notices {
            notice.tell(|revocation, standing| self.set(revocation, standing));
        }
        self
    }
}
