//! The single use of what proves a client or a key: claimed, and on record, so that no later process takes it again.

use crate::reason::Reason;
use crate::record::{Fact, Receipt, Record};
use crate::replay::{Claim, Claimed, Purpose, ReplayStore};

/// Where a `jti` is spent.
#[derive(Clone, Copy)]
pub(crate) struct Till<'t> {
    pub(crate) store: &'t dyn ReplayStore,
    pub(crate) record: &'t dyn Record,
    /// The time, in milliseconds since 1970.
    pub(crate) at_ms: i64,
}

impl Till<'_> {
    /// Spends a proof of possession.
    pub(crate) fn proof(&self, claim: Claim, client_id: &str) -> Result<Receipt, Reason> {
        self.spend(Purpose::Dpop, claim, client_id, Reason::DpopReplayed, Reason::ReplayUnavailable)
    }

    /// Spends a client's own assertion.
    pub(crate) fn client_assertion(&self, claim: Claim, client_id: &str) -> Result<Receipt, Reason> {
        let (seen, unavailable) = (Reason::ClientAssertionReplayed, Reason::ClientReplayUnavailable);
        self.spend(Purpose::ClientAssertion, claim, client_id, seen, unavailable)
    }

    /// What is handed out for it has to wait for the receipt, or for a later one.
    fn spend(
        &self,
        purpose: Purpose,
        claim: Claim,
        client_id: &str,
        seen: Reason,
        unavailable: Reason,
    ) -> Result<Receipt, Reason> {
        let mut claimed = [Claimed::Unavailable];
        self.store.claim(&[claim], self.at_ms.div_euclid(1000), &mut claimed);
        match claimed {
            [Claimed::First] => {}
            [Claimed::Seen] => return Err(seen),
            [Claimed::Unavailable] => return Err(unavailable),
        }
        let kept = self.record.keep(self.at_ms, &Fact::Spent { purpose, claim, client_id });
        kept.map_err(|_| Reason::RecordUnavailable)
    }
}
