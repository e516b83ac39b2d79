//! Many exchanges at once, in stages over chunks, with the verdicts of one by one.
//!
//! A chunk is read, checked, verified, decided, claimed, recorded and signed together: one `verify_many`, one `claim`,
//! one `sign_many`. Several threads take chunks in turn; claims are made in the order of the requests, so that of a
//! `jti` that comes twice the lowest index wins.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::{Condvar, Mutex};

use crate::assertion::{Kind, Plausible, Presented, Slot};
use crate::exchange::{
    Desk, Exchange, Issued, Pending, Request, accept_claim, claim_of, hand_out_many, sign_many,
};
use crate::grant::Grant;
use crate::json::Parser;
use crate::key_source::{KeyOwner, Sought};
use crate::possession::Possession;
use crate::reason::{Reason, Refusal};
use crate::record::Event;
use crate::replay::{Claimed, ReplayStore};

/// Requests of one chunk: small enough for a core's cache and a smooth finish, large enough for wide lanes.
const CHUNK: usize = 64;
/// Chunks of which a thread may wait for the record later, at least, and half of what it has open at most.
const OPEN: usize = 32;

/// What one thread reuses from chunk to chunk.
#[derive(Default)]
struct Bench {
    parser: Parser,
    slots: Vec<Slot>,
    desk: Desk,
}

impl Exchange {
    /// Exchanges many assertions on as many threads as there are cores, with the answers in the order of the requests.
    pub fn exchange_many(&self, requests: &[Request<'_>]) -> Vec<Result<Issued, Refusal>> {
        let threads = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        self.exchange_many_on(requests, threads)
    }

    /// The same on `threads` threads. The clock is asked once, on the thread of the caller.
    pub fn exchange_many_on(
        &self,
        requests: &[Request<'_>],
        threads: NonZero<usize>,
    ) -> Vec<Result<Issued, Refusal>> {
        let chunks: Vec<&[Request<'_>]> = requests.chunks(CHUNK).collect();
        let threads = threads.get().min(chunks.len());
        let now_ms = self.begin().at_ms;
        let (next, turns) = (AtomicUsize::new(0), Turns::default());
        let work = || {
            let mut bench = Bench::default();
            let hand_out = |(at, signed)| (at, hand_out_many(signed));
            let (mut signed, mut answers) =
                (Vec::new(), Vec::with_capacity(chunks.len() / threads.max(1) + 1));
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(chunk) = chunks.get(at) else { break };
                let decided = self.decide_chunk(chunk, now_ms, turns.turn(at), &mut bench);
                signed.push((at, sign_many(decided)));
                // A slow disk holds up a large batch here, and does not let the record's queue fill.
                if signed.len() == 2 * OPEN {
                    answers.extend(signed.drain(..OPEN).rev().map(hand_out));
                }
            }
            // Nobody has a token before all are made, so all share one wait for the record: that of the last.
            answers.extend(signed.into_iter().rev().map(hand_out));
            answers
        };
        let mut answers = Vec::with_capacity(chunks.len());
        thread::scope(|scope| {
            // A thread that cannot be had is done without.
            let start = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
            let helpers: Vec<_> = (1..threads).filter_map(start).collect();
            answers.extend(work());
            for helper in helpers {
                match helper.join() {
                    Ok(theirs) => answers.extend(theirs),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        answers.sort_unstable_by_key(|(at, _)| *at);
        answers.into_iter().flat_map(|(_, answers)| answers).collect()
    }

    fn decide_chunk(
        &self,
        requests: &[Request<'_>],
        now_ms: i64,
        turn: Turn<'_>,
        bench: &mut Bench,
    ) -> Vec<Result<Pending, Refusal>> {
        let (turn, missing) = match self.attempt_chunk(requests, now_ms, turn, bench, None) {
            Ok(answers) => return answers,
            Err(Missing { turn, issuers }) => (turn, issuers),
        };
        let owners: Vec<_> = missing.iter().cloned().map(KeyOwner::Idp).collect();
        let sought = missing.into_iter().zip(self.seek_all(&owners)).collect();
        // They are asked for once.
        self.attempt_chunk(requests, now_ms, turn, bench, Some(&sought))
            .unwrap_or_else(|_| requests.iter().map(|_| Err(Reason::KeysUnavailable.into())).collect())
    }

    /// Exchanges a chunk; or, where keys are missing that can be fetched and were not `sought`, changes nothing and says of
    /// which issuers.
    fn attempt_chunk<'t>(
        &self,
        requests: &[Request<'_>],
        now_ms: i64,
        turn: Turn<'t>,
        bench: &mut Bench,
        sought: Option<&BTreeMap<String, Sought>>,
    ) -> Result<Vec<Result<Pending, Refusal>>, Missing<'t>> {
        // Other threads may have seen a later time meanwhile.
        let moment = self.moment(now_ms);
        let now = moment.at();
        let state = self.load();
        let memory = self.memory();
        let rules = state.rules(now, self.began(&memory));
        let Bench { parser, slots, desk } = bench;
        slots.resize_with(CHUNK.max(slots.len()), Slot::default);
        let mut events: Vec<Event<'_>> =
            requests.iter().map(|request| state.event(request, moment)).collect();

        let presented: Vec<_> = requests
            .iter()
            .zip(slots)
            .map(|(request, slot)| {
                Presented::read(
                    request.assertion,
                    Kind::IdJag,
                    rules.limits.max_assertion_bytes,
                    parser,
                    slot,
                )
            })
            .collect();
        let plausible = presented
            .iter()
            .zip(requests.iter().zip(&mut events))
            .map(|(presented, (request, event))| {
                let presented = presented.as_ref().map_err(|reason| *reason)?;
                Plausible::check(presented, request.client_id, &Possession::default(), &rules, event)
            })
            .collect();
        let grants: Vec<Result<Grant<'_, '_, '_>, Reason>> = Plausible::verify_many(plausible)
            .zip(requests.iter().zip(&mut events))
            .map(|(assertion, (request, event))| {
                let assertion = assertion?;
                event.signature_valid = true;
                Grant::decide(assertion, request.asked(), state.book(), event)
            })
            .collect();

        if sought.is_none() && self.key_source.is_some() {
            let missing: BTreeSet<String> = grants
                .iter()
                .zip(&events)
                .filter(|(grant, event)| {
                    let reason = grant.as_ref().err();
                    reason.is_some_and(|reason| self.can_be_fetched(&state, *reason, event.issuer))
                })
                .map(|(_, event)| event.issuer.to_owned())
                .collect();
            if !missing.is_empty() {
                return Err(Missing { turn, issuers: missing });
            }
        }

        let claims: Vec<_> =
            grants.iter().flatten().map(|grant| claim_of(grant, rules.limits.leeway_s)).collect();
        let mut claimed = vec![Claimed::Unavailable; claims.len()];
        turn.take(|| memory.claim(&claims, now, &mut claimed));

        let mut claimed = claims.iter().zip(claimed);
        let decided: Vec<_> = grants
            .into_iter()
            .zip(events)
            .map(|(grant, mut event)| {
                let composed = grant.and_then(|grant| {
                    // As many claims as grants; a missing one would refuse.
                    let (claim, claimed) = claimed.next().ok_or(Reason::ReplayUnavailable)?;
                    event.jti_hash = *claim.key.as_bytes();
                    event.reused = accept_claim(&grant, claimed)?;
                    event.spent_until = claim.expires_at;
                    state.compose(&grant, &claim.key, &event, desk)
                });
                let sought = sought.and_then(|sought| sought.get(event.issuer)).copied();
                composed.map_err(|reason| state.record_refusal_after(reason, &event, sought))
            })
            .collect();
        let granted = decided.iter().flatten().count();
        self.count(granted, decided.len() - granted);
        Ok(decided)
    }
}

/// Of a chunk that was not exchanged: the issuers whose keys are to be asked for, and its turn, which was not used.
struct Missing<'t> {
    turn: Turn<'t>,
    issuers: BTreeSet<String>,
}

/// Who may claim: chunk after chunk, in order.
#[derive(Default)]
struct Turns {
    whose: Mutex<usize>,
    passed: Condvar,
}

/// The right to claim once every chunk before has claimed. Passed on even when it was not used.
struct Turn<'t> {
    turns: &'t Turns,
    at: usize,
}

impl Turns {
    fn turn(&self, at: usize) -> Turn<'_> {
        Turn { turns: self, at }
    }
}

impl Turn<'_> {
    /// Waits for the turn, does `work`, and passes the turn on.
    fn take<R>(self, work: impl FnOnce() -> R) -> R {
        self.wait();
        work()
    }

    fn wait(&self) {
        let mut whose = self.turns.whose.lock();
        while *whose < self.at {
            self.turns.passed.wait(&mut whose);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.wait();
        *self.turns.whose.lock() = self.at.saturating_add(1);
        self.turns.passed.notify_all();
    }
}
