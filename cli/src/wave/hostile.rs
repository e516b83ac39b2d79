//! What must be refused: eight kinds of hostile or unentitled requests, in a fixed mix.

use super::company::{Company, Connector, Person};
use super::mint::{Draft, Signer, Tampering};
use super::random::Random;
use super::world::{CLIENT, OTHER_CLIENT, Planned, draft};

/// Why a request must be refused. They come in this order, again and again.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Replayed,
    Expired,
    OtherServer,
    OtherClient,
    Forged,
    NoGroup,
    PlannedConnector,
    Overage,
}

const KINDS: [Kind; 8] = [
    Kind::Replayed,
    Kind::Expired,
    Kind::OtherServer,
    Kind::OtherClient,
    Kind::Forged,
    Kind::NoGroup,
    Kind::PlannedConnector,
    Kind::Overage,
];

/// An authorization server that is not this one.
const OTHER_SERVER: &str = "https://auth.other.example/";

/// What Entra writes instead of more than 200 groups.
const OVERAGE: &str = concat!(
    r#""_claim_names":{"groups":"src1"},"_claim_sources":{"src1":"#,
    r#"{"endpoint":"https://graph.entra.example/v1.0/me/getMemberObjects"}}"#
);

/// The hostile request number `number`, to come after all that is planned already, of which at least one is entitled.
pub(crate) fn plan<'c>(
    number: usize,
    before: &[Planned<'c>],
    company: &'c Company,
    now: i64,
    random: &mut Random,
) -> Option<Planned<'c>> {
    let kind = KINDS.get(number % KINDS.len())?;
    let round = number / KINDS.len();
    let enabled: Vec<&Connector> = Connector::enabled().collect();
    let connector = random.pick(&enabled)?;
    let mut genuine = draft(random.pick(&company.people)?, connector, now);
    let plan = |draft: Draft<'c>, slug: &'static str| Planned {
        draft,
        client_id: CLIENT,
        resource: None,
        scope: None,
        refusal: Some(slug),
    };
    Some(match kind {
        Kind::Replayed => {
            let first = entitled(before, random)?;
            let again = before.get(first)?;
            Planned {
                draft: Draft {
                    tampering: Tampering::CopyOf(first),
                    ..draft(again.draft.person, connector, now)
                },
                refusal: Some("replayed"),
                ..*again
            }
        }
        Kind::Expired => {
            genuine.issued_at = now - 900;
            plan(genuine, "expired")
        }
        Kind::OtherServer => {
            genuine.audience = OTHER_SERVER;
            plan(genuine, "audience_mismatch")
        }
        Kind::OtherClient => {
            genuine.client_id = OTHER_CLIENT;
            plan(genuine, "client_mismatch")
        }
        Kind::Forged => match round % 3 {
            0 => {
                genuine.signer = Signer::Stranger;
                plan(genuine, "signature_invalid")
            }
            1 => {
                genuine.tampering = Tampering::SignatureOf(entitled(before, random)?);
                plan(genuine, "signature_invalid")
            }
            _ => {
                genuine.tampering = Tampering::Unsigned;
                plan(genuine, "alg_not_allowed")
            }
        },
        Kind::NoGroup if round.is_multiple_of(2) => {
            let guest = random.pick(&company.guests)?;
            plan(draft(guest, connector, now), "group_required")
        }
        Kind::NoGroup => {
            let person = random.pick(&company.globex)?;
            plan(of_globex(person, connector, now), "group_required")
        }
        Kind::PlannedConnector => {
            let planned: Vec<&Connector> = Connector::planned().collect();
            genuine = draft(genuine.person, random.pick(&planned)?, now);
            plan(genuine, "connector_not_enabled")
        }
        Kind::Overage => {
            let mut unlisted = of_globex(random.pick(&company.globex)?, connector, now);
            unlisted.groups = &[];
            unlisted.further = OVERAGE;
            plan(unlisted, "groups_overage")
        }
    })
}

/// An assertion of Globex, which lists the person's groups and no `act`.
fn of_globex<'c>(person: &'c Person, connector: &Connector, now: i64) -> Draft<'c> {
    Draft { signer: Signer::Globex, groups: &person.groups, further: "", ..draft(person, connector, now) }
}

/// The place of an entitled request.
fn entitled(before: &[Planned<'_>], random: &mut Random) -> Option<usize> {
    let start = random.below(before.len());
    let places = (0..=start).rev().chain(start..before.len());
    let mut entitled = places.filter(|at| before.get(*at).is_some_and(|planned| planned.refusal.is_none()));
    entitled.next()
}
