//! Revocations: made here, told to engines that share the store, and heard from them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;

use crate::exchange::Exchange;
use crate::notices::{Board, BoardUnavailable, Notice};
use crate::reason::{Reason, Refusal};
use crate::record::Note;
use crate::revoked::{Revocation, Revoked};
use crate::state::State;

/// No token is accepted for longer after it was issued: a day, whatever `tokens.ttl_s` is or was, and an hour for clocks.
const LONGEST_TOKEN_S: i64 = 86_400 + 3_600;

/// How far an engine has listened to the others.
pub(crate) struct Listening {
    /// The second of the engine's time in which it listened last.
    at: AtomicI64,
    heard: Mutex<Heard>,
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
        Self { at: AtomicI64::new(i64::MIN), heard: Mutex::default() }
    }
}

impl Exchange {
    /// Revokes as of now: tokens issued until now end at the next [`verify`](Self::verify), and new exchanges are
    /// refused until [`lift`](Self::lift). Engines that share the store follow within one second of their clocks, at the
    /// next request that each of them gets.
    ///
    /// # Errors
    ///
    /// It stands here, but the store could not be reached to tell the others: to be tried again.
    pub fn revoke(&self, revocation: &Revocation<'_>) -> Result<(), Refusal> {
        let now = self.now();
        self.change(|state| State {
            revoked: Arc::new(state.revoked.expired_dropped(now).with(revocation, now)),
            ..state.next()
        });
        self.note(&self.load(), &Note::Revocation { of: revocation, lifted: false });
        self.tell(revocation, now)
    }

    /// Lets new exchanges through again. Tokens that were revoked stay revoked.
    ///
    /// # Errors
    ///
    /// As for [`revoke`](Self::revoke).
    pub fn lift(&self, revocation: &Revocation<'_>) -> Result<(), Refusal> {
        self.change(|state| State { revoked: Arc::new(state.revoked.lifted(revocation)), ..state.next() });
        self.note(&self.load(), &Note::Revocation { of: revocation, lifted: true });
        self.tell(revocation, self.now())
    }

    fn tell(&self, revocation: &Revocation<'_>, now: i64) -> Result<(), Refusal> {
        let Some(board) = self.replay.board() else {
            return Ok(());
        };
        // Nothing of the state is held while the store is asked: whoever changes it would wait.
        let standing = self.load().revoked.standing(revocation);
        let told = standing.map_or(Ok(()), |standing| {
            board.post(&Notice::of(revocation, standing, now, LONGEST_TOKEN_S), now)
        });
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
        // A store that forgot is told again, by each that still knows.
        let since = self.replay.remembers_since();
        if heard.told_since != since {
            if self.tell_all(board, now).is_err() {
                return;
            }
            *heard = Heard { change: None, told_since: since };
        }
        if let Ok(Some((change, notices))) = board.read(heard.change, now) {
            heard.change = Some(change);
            if !notices.is_empty() {
                self.change(|state| State {
                    revoked: Arc::new(state.revoked.expired_dropped(now).heard(&notices)),
                    ..state.next()
                });
            }
        }
    }

    fn tell_all(&self, board: &dyn Board, now: i64) -> Result<(), BoardUnavailable> {
        let mut notices = Vec::new();
        self.load().revoked.each(|revocation, standing| {
            notices.push(Notice::of(revocation, standing, now, LONGEST_TOKEN_S));
        });
        notices.iter().try_for_each(|notice| board.post(notice, now))
    }
}

impl Revoked {
    /// These, and what `notices` say.
    fn heard(mut self, notices: &[Notice]) -> Self {
        for notice in notices {
            notice.tell(|revocation, standing| self.set(revocation, standing));
        }
        self
    }
}
