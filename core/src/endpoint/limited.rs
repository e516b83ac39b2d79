//! What is too often at the endpoints, and what counts (EMA section 7.5.1): the policy over the buckets of `limiter.rs`.
//!
//! What a request proves is never refused here: a client that proves itself from a peer that may try is let through,
//! and a request that is granted takes from no bucket. What cannot be answered at present (503) counts against nobody.

use super::client_auth::Door;
use crate::limiter::{Buckets, Key, Limiter, Rate};
use crate::reason::{OAuthError, Reason, Refusal};

/// Who tries to prove a client, where, and when.
#[derive(Clone, Copy)]
pub(super) struct Tries<'a, 's> {
    pub(super) door: &'a Door<'s>,
    pub(super) peer: Option<&'a str>,
    pub(super) now: i64,
}

impl Tries<'_, '_> {
    /// Seconds until this peer may try to prove this client (empty: it named none); none: it may. Counts nothing.
    ///
    /// Reads two numbers where nobody failed within a minute.
    pub(super) fn wait(&self, client_id: &str) -> Option<u32> {
        let Limiter { peers, pairs, .. } = self.door.limiter;
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

    /// What is told who named a client by its document, before that was asked for, and was refused.
    ///
    /// With an assertion that an IdP signed for that client it is refused as a client that proved itself. What comes before is
    /// a failure to prove it: no stranger can use up what the client may be refused.
    pub(super) fn tell_unproven(&self, client_id: &str, refusal: Refusal) -> Refusal {
        if refusal.reason().check().follows_signature() {
            return self.door.tell_refused(client_id, refusal, self.now);
        }
        if refusal.oauth_error() == OAuthError::TemporarilyUnavailable {
            return refusal;
        }
        match self.failed(client_id) {
            None => refusal,
            Some(wait_s) => Refusal::from(Reason::TooManyFailures).until(wait_s),
        }
    }

    /// The longer of what is to wait for the peer, and for the pair of it and the client.
    fn longer(&self, client_id: &str, ask: fn(&Buckets, Key, Rate, i64) -> Option<u32>) -> Option<u32> {
        let Door { limiter, limits, .. } = *self.door;
        let (rates, now) = (&limits.rates, self.now);
        let peer = limiter.peer(self.peer?);
        let of_peer = rates.failures_per_peer.and_then(|rate| ask(&limiter.peers, peer, rate, now));
        let named = rates.failures.filter(|_| !client_id.is_empty());
        let of_pair = named.and_then(|rate| ask(&limiter.pairs, limiter.pair(peer, client_id), rate, now));
        of_peer.max(of_pair).inspect(|_| limiter.count())
    }
}

impl Door<'_> {
    /// What a client that proved itself and was refused is told: that, or that it is refused too often.
    ///
    /// Whether a request is refused is known only when all of it was checked, and what would be granted is never held
    /// up; so the work is done all the same, and what is kept back is the answer: from here on a client that tries many
    /// assertions does not learn which of its faults it got past. The record has the reason that is kept back.
    pub(super) fn tell_refused(&self, client_id: &str, refusal: Refusal, now: i64) -> Refusal {
        if refusal.oauth_error() == OAuthError::TemporarilyUnavailable {
            return refusal;
        }
        let taken = self.limits.rates.refusals.and_then(|rate| {
            let clients = &self.limiter.clients;
            clients.take(self.limiter.client(client_id), rate, now)
        });
        match taken {
            None => refusal,
            Some(wait_s) => {
                self.limiter.count();
                Refusal::from(Reason::TooManyRefusals).until(wait_s)
            }
        }
    }
}
