//! A whole exchange: an RS256 assertion in, an EdDSA access token out.
//!
//! idjag does what it always does. The others get the least that somebody would write around them: groups of the person
//! out of a `HashMap`, two names of groups that may, the `jti` into a `HashSet` without a lock, and the token.

use idjag::{Algorithm, Directory};
use idjag_benches::{Failure, PEOPLE, RESOURCE, World, issuer, request, subject};

use crate::contest::{BLOCK, BLOCKS, Contender, heading, run};
use crate::forge::forged;
use crate::peer::{People, Spent, all, examine};
use crate::setup::{ACCESS_TOKEN, Own, Trusted};
use crate::verification::{of_the_engine, of_the_idp};

/// One exchange.
pub(crate) fn whole() -> Result<(), Failure> {
    heading("whole exchange");
    let world = World::new(Algorithm::RS256, Algorithm::EdDSA)?.by_the_clock();
    let assertions = world.assertions(BLOCK * BLOCKS)?;
    let good = assertions.first().ok_or("no assertion")?;
    let (trusted, own) = (of_the_idp(&world, Algorithm::RS256), Own::new(Algorithm::EdDSA, ACCESS_TOKEN)?);
    examine(&trusted, &own, good)?;
    let people = people(&world)?;
    let peers = all(&trusted, &own)?;
    for peer in &peers {
        let refused = |spent: &mut Spent| peer.exchange(good, &people, spent).is_none();
        let mut spent = Spent::new();
        let token = peer.exchange(good, &people, &mut spent).ok_or("a peer exchanges nothing")?;
        if !refused(&mut spent) || peer.exchange(&forged(good), &people, &mut Spent::new()).is_some() {
            return Err(format!("{} exchanges what it must not", peer.name()).into());
        }
        let minted = of_the_engine(&world.engine()?, Algorithm::EdDSA)?;
        examine(&Trusted { jwk: own.public_jwk()?, ..minted }, &own, &token)?;
    }
    let engine = world.engine()?;
    if engine.exchange(&request(&forged(good))).is_ok() {
        return Err("idjag exchanges a forged assertion".into());
    }
    let mut contenders =
        vec![Contender::idjag("exchange, with policy and single use", |assertion: &String| {
            engine.exchange(&request(assertion)).is_ok_and(|issued| issued.resource() == RESOURCE)
        })];
    for peer in &peers {
        let (mut spent, people) = (Spent::new(), &people);
        contenders.push(Contender::peer(peer.name(), "> 1.00", move |assertion: &String| {
            peer.exchange(assertion, people, &mut spent).is_some()
        }));
    }
    run("RS256 -> EdDSA", &assertions, contenders)
}

/// The directory of the world.
fn people(world: &World) -> Result<People, Failure> {
    let directory = Directory::from_json("directory.json", world.directory().as_bytes())?;
    (0..PEOPLE)
        .map(|person| {
            let subject = subject(person);
            let found = directory.lookup(&issuer(0), None, &subject).ok_or("nobody")?;
            let groups = found.groups.map(str::to_owned).collect();
            Ok((subject, groups))
        })
        .collect()
}
