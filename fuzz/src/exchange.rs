//! An assertion goes in: arbitrary bytes, arbitrary claims under a good signature, and good tokens that were edited.

use std::sync::LazyLock;

use idjag::{Exchange, Issued, Request};
use serde_json::{Map, Value};

use crate::world::{
    CLAIMS, CLIENT, ENG_SCOPES, Forgetful, HEADER, IDP, LEEWAY, MAX_LIFETIME, NOW, RESOURCE, SERVER,
    base64url, engine, sign,
};

static ENGINE: LazyLock<Exchange> =
    LazyLock::new(|| engine().replay(Box::new(Forgetful)).build().expect("an engine"));

/// `s`, a header, a line feed and claims: signed by the harness and presented; granted only if serde_json reads in
/// them what the rules ask for, and the token then verifies. Anything else: presented as it is, and never granted.
/// Whatever it is, `explain` says the same.
pub fn exchange(data: &[u8]) {
    let Some((b's', signed)) = data.split_first() else {
        assert!(present(data).is_none(), "granted without a signature from our key");
        return;
    };
    let end = signed.iter().position(|byte| *byte == b'\n').unwrap_or(signed.len());
    let (header, claims) = (&signed[..end], signed.get(end + 1..).unwrap_or_default());
    if let Some(issued) = present(sign(header, claims).as_bytes()) {
        let claims = check_by_serde(header, claims, &issued);
        let who = ENGINE
            .verify(issued.access_token().as_bytes(), issued.resource())
            .expect("what was issued is valid");
        assert_eq!(Value::from(who.subject()), claims["sub"]);
        assert_eq!((who.idp(), who.client_id(), who.scope()), (IDP, CLIENT, issued.scope()));
    }
}

/// Edits a good token, four bytes an edit; it stays good only if every byte is what it was.
pub fn never_forged(data: &[u8]) {
    let good = sign(HEADER.as_bytes(), CLAIMS.as_bytes());
    let signature = good.rsplit('.').next().unwrap_or_default();
    // Three ways to edit: the text as it travels, the header behind its encoding, and the claims behind theirs.
    let mut parts = [good.clone().into_bytes(), HEADER.into(), CLAIMS.into()];
    let way = data.first().map_or(0, |byte| usize::from(*byte) % 3);
    for edit in data.get(1..).unwrap_or_default().chunks_exact(4) {
        apply(&mut parts[way], [edit[0], edit[1], edit[2], edit[3]]);
    }
    let [text, header, claims] = parts;
    let edited = match way {
        0 => text,
        _ => format!("{}.{}.{signature}", base64url(&header), base64url(&claims)).into_bytes(),
    };
    assert_eq!(present(&edited).is_some(), edited == good.as_bytes());
}

/// Edits a good access token as [`never_forged`] edits an assertion: valid only if every byte is what it was. As an
/// assertion it is refused, and so is an assertion in its place.
pub fn verify_roundtrip(data: &[u8]) {
    static TOKEN: LazyLock<String> = LazyLock::new(|| {
        let assertion = sign(HEADER.as_bytes(), CLAIMS.as_bytes());
        let issued = present(assertion.as_bytes()).expect("a good assertion");
        assert!(ENGINE.verify(assertion.as_bytes(), RESOURCE).is_err(), "an assertion is no access token");
        assert!(present(issued.access_token().as_bytes()).is_none(), "an access token is no assertion");
        issued.access_token().to_owned()
    });
    let mut text = TOKEN.clone().into_bytes();
    for edit in data.chunks_exact(4) {
        apply(&mut text, [edit[0], edit[1], edit[2], edit[3]]);
    }
    for _ in 0..2 {
        // The second time the answer may be remembered.
        let answer = ENGINE.verify(&text, RESOURCE);
        assert_eq!(answer.is_ok(), text == TOKEN.as_bytes());
        if let Ok(who) = answer {
            assert_eq!((who.subject(), who.idp(), who.scope()), ("ada", IDP, "chat.read"));
            assert!(ENGINE.verify(&text, "https://mcp.wiki.example/").is_err());
        }
    }
}

/// Replaces, inserts, removes or repeats at a place.
pub(crate) fn apply(part: &mut Vec<u8>, [kind, high, low, byte]: [u8; 4]) {
    let at = usize::from(u16::from_be_bytes([high, low])) % (part.len() + 1);
    match kind % 5 {
        0 if at < part.len() => part[at] = byte,
        1 => part.insert(at, byte),
        2 if at < part.len() => drop(part.remove(at)),
        3 => part.truncate(at),
        _ => {
            let repeated = part[at..].iter().copied().take(usize::from(byte)).collect::<Vec<_>>();
            part.extend(repeated);
        }
    }
}

/// Presents an assertion, and compares with what `explain` says.
fn present(assertion: &[u8]) -> Option<Issued> {
    let request = Request { assertion, client_id: CLIENT, ..Request::default() };
    let explained = ENGINE.explain(&request, NOW);
    let answer = ENGINE.exchange(&request);
    assert_eq!(answer.as_ref().map(Issued::scope), explained.verdict.as_deref());
    serde_json::from_str::<Value>(&explained.to_json()).expect("an explanation in JSON");
    answer.ok()
}

/// What serde_json makes of what was granted. Of a member that stands twice it takes the last.
fn check_by_serde(header: &[u8], claims: &[u8], issued: &Issued) -> Map<String, Value> {
    let header: Map<String, Value> = serde_json::from_slice(header).expect("the header is an object");
    let claims: Map<String, Value> = serde_json::from_slice(claims).expect("the claims are an object");
    assert_eq!(header["typ"], "oauth-id-jag+jwt");
    assert_eq!(header["alg"], "EdDSA");
    for name in ["crit", "b64", "jwk", "jku", "x5u", "x5c", "zip", "enc"] {
        assert!(!header.contains_key(name), "{name} is obeyed by nobody");
    }

    assert_eq!(claims["iss"], IDP);
    assert!(claims["aud"] == SERVER || claims["aud"] == Value::from(vec![SERVER]));
    assert_eq!(claims["client_id"], CLIENT);
    for name in ["sub", "jti"] {
        assert!(claims[name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
    for name in ["tenant", "cnf"] {
        assert!(!claims.contains_key(name), "{name} cannot be granted here");
    }

    #[expect(clippy::cast_precision_loss, reason = "some years after 1970")]
    let (now, leeway, lifetime) = (NOW as f64, LEEWAY as f64, MAX_LIFETIME as f64);
    let date = |name: &str| claims[name].as_f64().expect("a number of seconds");
    assert!(date("exp") > now - leeway && date("iat") <= now + leeway);
    assert!(date("iat") <= date("exp") && date("exp") - date("iat") <= lifetime);
    assert!(!claims.contains_key("nbf") || date("nbf") <= now + leeway);

    let resources: Vec<&Value> = match claims.get("resource") {
        Some(Value::Array(many)) => many.iter().collect(),
        one => one.into_iter().collect(),
    };
    assert!(resources.iter().all(|resource| *resource == RESOURCE), "only what is served");
    assert_eq!(issued.resource(), RESOURCE);
    let eng =
        |groups: &Value| *groups == "eng" || groups.as_array().is_some_and(|all| all.contains(&"eng".into()));
    assert!(eng(&claims["groups"]), "only eng has a grant");
    let carried = claims.get("scope").map(|scope| scope.as_str().expect("a string"));
    for scope in issued.scope().split(' ') {
        assert!(ENG_SCOPES.contains(&scope));
        assert!(carried.is_none_or(|carried| carried.split(' ').any(|one| one == scope)));
    }
    claims
}
