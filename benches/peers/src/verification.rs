//! The verification of whole tokens: read, claims parsed, signature verified, `exp`, `iss` and `aud` checked.
//!
//! idjag has no door that only verifies an assertion. So its assertions are spent beforehand, and what is measured is
//! `decide` until it refuses them as replayed: the whole verification, and the policy, the look-up of the person and
//! the claim of the `jti` on top, which no other library does. Access tokens are ones that it has not seen before.

use idjag::{Algorithm, Exchange};
use idjag_benches::{Failure, ISSUER, RESOURCE, World, issuer, request};
use serde_json::Value;

use crate::ALGORITHMS;
use crate::bare::Bare;
use crate::contest::{BLOCK, BLOCKS, Contender, heading, run};
use crate::forge::forged;
use crate::peer::{Peer, all, examine};
use crate::setup::{ACCESS_TOKEN, ID_JAG, Own, Trusted};

/// What stands below the others, to show how far a library can be ahead.
const BARE: &str = "the signature alone (aws-lc-rs, parsed key)";

/// Assertions in Okta's shape, by their issuer's algorithm.
pub(crate) fn of_assertions() -> Result<(), Failure> {
    heading("verification of an assertion in Okta's shape");
    for algorithm in ALGORITHMS {
        let world = World::new(algorithm, Algorithm::EdDSA)?.by_the_clock();
        let assertions = world.assertions(BLOCK * BLOCKS)?;
        let good = assertions.first().ok_or("no assertion")?;
        let (trusted, own) = (of_the_idp(&world, algorithm), Own::new(Algorithm::EdDSA, ACCESS_TOKEN)?);
        examine(&trusted, &own, good)?;
        let engine = world.engine()?;
        let refused =
            |assertion: &str| engine.decide(&request(assertion), world.now()).err().map(idjag::Refusal::slug);
        for assertion in &assertions {
            if let Some(why) = refused(assertion) {
                return Err(format!("idjag refuses a good assertion: {why}").into());
            }
        }
        if refused(&forged(good)) != Some("signature_invalid") {
            return Err("idjag accepts a forged assertion".into());
        }
        let (peers, bare) = (all(&trusted, &own)?, Bare::new(&trusted)?);
        let mut contenders =
            vec![Contender::idjag("decide, until it is refused as replayed", |assertion: &String| {
                refused(assertion) == Some("replayed")
            })];
        contenders.extend(accepting(algorithm, &peers));
        contenders.push(Contender::peer(BARE, "", |token: &String| bare.verifies(token)));
        run(&format!("{algorithm}, {} bytes", good.len()), &assertions, contenders)?;
    }
    Ok(())
}

/// Access tokens of idjag, by its algorithm.
pub(crate) fn of_access_tokens() -> Result<(), Failure> {
    heading("verification of an access token");
    for algorithm in ALGORITHMS {
        let world = World::new(Algorithm::EdDSA, algorithm)?.by_the_clock();
        let engine = world.engine()?;
        let tokens = world
            .assertions(BLOCK * BLOCKS)?
            .iter()
            .map(|assertion| Ok(engine.exchange(&request(assertion))?.access_token().to_owned()))
            .collect::<Result<Vec<String>, Failure>>()?;
        let good = tokens.first().ok_or("no token")?;
        let (trusted, own) = (of_the_engine(&engine, algorithm)?, Own::new(algorithm, ACCESS_TOKEN)?);
        examine(&trusted, &own, good)?;
        // A server that has been up for a while has the memory already that it remembers tokens in: one that ends here
        // had it.
        let before = world.engine()?;
        for token in &tokens {
            before.verify(token.as_bytes(), RESOURCE)?;
        }
        if before.verify(forged(good).as_bytes(), RESOURCE).is_ok() {
            return Err("idjag accepts a forged access token".into());
        }
        drop(before);
        let engine = world.engine()?;
        let (peers, bare) = (all(&trusted, &own)?, Bare::new(&trusted)?);
        let mut contenders = vec![Contender::idjag("verify, first time", |token: &String| {
            engine.verify(token.as_bytes(), RESOURCE).is_ok()
        })];
        contenders.extend(accepting(algorithm, &peers));
        contenders.push(Contender::peer(BARE, "", |token: &String| bare.verifies(token)));
        run(&format!("{algorithm}, {} bytes", good.len()), &tokens, contenders)?;
    }
    Ok(())
}

fn accepting(algorithm: Algorithm, peers: &[Box<dyn Peer>]) -> impl Iterator<Item = Contender<'_, String>> {
    peers.iter().map(move |peer| {
        let target = match (algorithm, peer.name()) {
            (Algorithm::RS256, name) if name.starts_with("jwt-simple") => ">= 1.25",
            (Algorithm::ES256 | Algorithm::EdDSA, name) if name.starts_with("jsonwebtoken") => ">= 1.10",
            _ => "> 1.00",
        };
        Contender::peer(peer.name(), target, |token: &String| peer.accepts(token))
    })
}

/// The first IdP of the world, for us.
pub(crate) fn of_the_idp(world: &World, algorithm: Algorithm) -> Trusted {
    let jwk = world.idp_jwk().to_owned();
    Trusted { algorithm, jwk, issuer: issuer(0), audience: ISSUER.to_owned(), typ: ID_JAG }
}

/// What the engine mints, for the resource.
pub(crate) fn of_the_engine(engine: &Exchange, algorithm: Algorithm) -> Result<Trusted, Failure> {
    let jwks: Value = serde_json::from_str(&engine.jwks())?;
    let jwk = jwks.pointer("/keys/0").ok_or("the engine has no key")?.to_string();
    let (issuer, audience) = (ISSUER.to_owned(), RESOURCE.to_owned());
    Ok(Trusted { algorithm, jwk, issuer, audience, typ: ACCESS_TOKEN })
}
