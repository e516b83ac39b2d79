//! Minting the same ID-JAG: the same claims, the same key, the same header.

use std::sync::Arc;

use base64_simd::URL_SAFE_NO_PAD;
use idjag::{Algorithm, IdJag, IdJagMinter, SigningKey};
use idjag_benches::{CLIENT, Failure, ISSUER, PEOPLE, RESOURCE, issuer, mix, subject};
use serde_json::Value;

use crate::ALGORITHMS;
use crate::claims::{ACT, SCOPE, SUB_PROFILE};
use crate::contest::{BLOCK, BLOCKS, Contender, heading, run};
use crate::peer::{Wanted, all, examine};
use crate::setup::{ID_JAG, Own, Trusted};

/// ID-JAGs in Okta's shape, by algorithm.
pub(crate) fn of_assertions() -> Result<(), Failure> {
    heading("minting of an assertion in Okta's shape");
    let now = idjag::Clock::now(&idjag::SystemClock);
    let wanted = (0..BLOCK * BLOCKS).map(|at| wanted(at, now)).collect::<Result<Vec<Wanted>, Failure>>()?;
    let further = format!(r#""sub_profile":"{SUB_PROFILE}","act":{ACT}"#);
    for algorithm in ALGORITHMS {
        let key = Arc::new(SigningKey::generate(algorithm)?);
        let own = Own::of(&key, ID_JAG)?;
        let trusted = Trusted {
            algorithm,
            jwk: own.public_jwk()?,
            issuer: issuer(0),
            audience: ISSUER.to_owned(),
            typ: ID_JAG,
        };
        let idp = IdJagMinter::new(issuer(0), key);
        let idjag = |wanted: &Wanted| mint(&idp, wanted, &further);
        let peers = all(&trusted, &own)?;
        let one = wanted.first().ok_or("nothing is wanted")?;
        let ours = idjag(one).ok_or("idjag mints nothing")?;
        examine(&trusted, &own, &ours)?;
        for peer in &peers {
            let theirs = peer.id_jag(&issuer(0), one).ok_or("a peer mints nothing")?;
            examine(&trusted, &own, &theirs)?;
            same(&ours, &theirs).map_err(|why| format!("{}: {why}", peer.name()))?;
        }
        let mut contenders = vec![Contender::idjag("IdJagMinter::mint", |wanted| idjag(wanted).is_some())];
        contenders.extend(peers.iter().map(|peer| {
            let jsonwebtoken = peer.name().starts_with("jsonwebtoken");
            let target = if algorithm == Algorithm::EdDSA && jsonwebtoken { ">= 1.50" } else { "> 1.00" };
            let issuer = issuer(0);
            Contender::peer(peer.name(), target, move |wanted| peer.id_jag(&issuer, wanted).is_some())
        }));
        run(&format!("{algorithm}, {} bytes", ours.len()), &wanted, contenders)?;
    }
    Ok(())
}

fn wanted(at: usize, now: i64) -> Result<Wanted, Failure> {
    let person = at % PEOPLE;
    let drawn = [mix(at as u64).to_be_bytes(), mix(!(at as u64)).to_be_bytes()].concat();
    Ok(Wanted {
        subject: subject(person),
        email: format!("person{person}@acme.example"),
        jti: URL_SAFE_NO_PAD.encode_to_string(drawn),
        issued_at: u64::try_from(now)? - 20,
        lifetime_s: 300,
    })
}

fn mint(idp: &IdJagMinter, wanted: &Wanted, further: &str) -> Option<String> {
    idp.mint(&IdJag {
        audience: ISSUER,
        client_id: CLIENT,
        subject: &wanted.subject,
        resource: Some(RESOURCE),
        scope: Some(SCOPE),
        issued_at: i64::try_from(wanted.issued_at).ok()?,
        lifetime_s: i64::try_from(wanted.lifetime_s).ok()?,
        jti: Some(&wanted.jti),
        email: Some(&wanted.email),
        further,
        ..IdJag::default()
    })
    .ok()
}

/// Sees that header and claims of both are the same.
fn same(ours: &str, theirs: &str) -> Result<(), Failure> {
    for part in 0..2 {
        let read = |token: &str| -> Result<Value, Failure> {
            let part = token.split('.').nth(part).ok_or("no such part")?;
            Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode_to_vec(part)?)?)
        };
        let (ours, theirs) = (read(ours)?, read(theirs)?);
        if ours != theirs {
            return Err(format!("not the same: {ours} and {theirs}").into());
        }
    }
    Ok(())
}
