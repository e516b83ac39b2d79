//! What is too often at the endpoints, and what counts (EMA section 7.5.1): the policy over the buckets of `limiter.rs`.
//!
//! What a request proves is never refused here: a client that proves itself from a peer that may try is let through,
//! and a request that is granted takes from no bucket. What cannot be answered at present (503) counts against nobody.

use crate::config::Rates;
use crate::exchange::Exchange;
use crate::limiter::{Buckets, Key, Limiter, Rate};
use crate::reason::{OAuthError, Reason, Refusal};
use crate::state::State;

/// Who tries to prove a client, and when.
#[derive(Clone, Copy)]
pub(super) struct Tries<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) rates: &'a Rates,
    pub(super) peer: Option<&'a str>,
    pub(super) now: i64,
}

impl Tries<'_> {
    /// Seconds until this peer may try to prove this client (empty: it named none); none: it may. Counts nothing.
    ///
    /// Reads two numbers where nobody failed within a minute.
    pub(super) fn wait(&self, client_id: &str) -> Option<u32> {
        let Limiter { peers, pairs, .. } = &self.exchange.limiter;
        if peers.all_full(self.now) && pairs.all_full(self.now) {
            return None;
        }
        self.longer(client_id, Buckets::wait)
    }

    /// Counts that this peer failed to prove this client. Seconds to wait where that was once too often: several that
    /// were let through at the same moment get no more answers than the bucket holds.
    ///
    /// A client that is not configured counts as any other: else the answer would tell which is.
    pub(super) fn failed(&self, client_id: &str) -> Option<u32> {
        self.longer(client_id, Buckets::take)
    }

    /// The longer of what is to wait for the peer, and for the pair of it and the client.
    fn longer(&self, client_id: &str, ask: fn(&Buckets, Key, Rate, i64) -> Option<u32>) -> Option<u32> {
        let (limiter, now) = (&self.exchange.limiter, self.now);
        let peer = limiter.peer(self.peer?);
        let of_peer = self.rates.failures_per_peer.and_then(|rate| ask(&limiter.peers, peer, rate, now));
        let named = self.rates.failures.filter(|_| !client_id.is_empty());
        let of_pair = named.and_then(|rate| ask(&limiter.pairs, limiter.pair(peer, client_id), rate, now));
        of_peer.max(of_pair).inspect(|_| self.exchange.count_limited())
    }
}

impl Exchange {
    /// What a client that proved itself and was refused is told: that, or that it is refused too often.
    ///
    /// Whether a request is refused is known only when all of it was checked, and what would be granted is never held
    /// up; so the work is done all the same, and what is kept back is the answer: from here on a client that tries many
    /// assertions does not learn which of its faults it got past. The record has the reason that is kept back.
    pub(super) fn tell_refused(&self, state: &State, client_id: &str, refusal: Refusal, now: i64) -> Refusal {
        if refusal.oauth_error() == OAuthError::TemporarilyUnavailable {
            return refusal;
        }
        let taken = state.server.limits.rates.refusals.and_then(|rate| {
            let clients = &self.limiter.clients;
            clients.take(self.limiter.client(client_id), rate, now)
        });
        match taken {
            None => refusal,
            Some(wait_s) => {
                self.count_limited();
                state.refusal(Reason::TooManyRefusals).until(wait_s)
            }
        }
    }
}
