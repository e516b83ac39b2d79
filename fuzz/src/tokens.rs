//! A token and its claims: read a second time, by rules that are written a second time.

use std::collections::BTreeSet;

use idjag::fuzzing::{self, MAX_ACT_DEPTH, MAX_JTI_CHARS};
use idjag::{Algorithm, Reason};
use serde_json::Value;

use crate::tree::Tree;

/// What the library takes: `MAX_DEPTH` and `MAX_MEMBERS` of `core/src/json.rs`.
const MAX_DEPTH: usize = 16;
const MAX_MEMBERS: usize = 256;

/// A token as it is (after `r`), or header, payload and signature in a line each, which are encoded here.
pub fn jws(data: &[u8]) {
    let token = match data.split_first() {
        Some((b'r', token)) => token.to_vec(),
        _ => data.splitn(3, |byte| *byte == b'\n').map(encode).collect::<Vec<_>>().join(&b'.'),
    };
    let read = fuzzing::jws(&token);
    match (expected(&token), &read) {
        (Ok((alg, kid, payload, signature)), Ok(read)) => {
            assert_eq!((read.alg.name(), &read.kid), (&*alg, &kid));
            assert_eq!((&read.payload, &read.signature), (&payload, &signature));
        }
        (Err(Expected::Json), Err(reason)) => assert!(is_json_fault(*reason), "{reason:?}"),
        (Err(Expected::Reason(expected)), Err(reason)) => assert_eq!(expected, *reason),
        (Ok(_), Err(reason)) => panic!("refused as {reason:?}"),
        (Err(expected), Ok(read)) => panic!("{expected:?} is taken: {read:?}"),
    }
}

/// Why a token is to be refused.
#[derive(Debug)]
enum Expected {
    Reason(Reason),
    /// One of those that JSON can be refused for.
    Json,
}

type Parts = (String, Option<String>, Vec<u8>, Vec<u8>);

fn expected(token: &[u8]) -> Result<Parts, Expected> {
    let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
    let [header, payload, signature] = *parts else {
        let encrypted = parts.len() == 5;
        return Err(Expected::Reason(if encrypted {
            Reason::AssertionEncrypted
        } else {
            Reason::AssertionMalformed
        }));
    };
    let decode = |part| decode(part).ok_or(Expected::Reason(Reason::EncodingInvalid));
    let header = document(&decode(header)?).ok_or(Expected::Json)?;
    let forbidden =
        ["crit", "b64", "jwk", "jku", "x5u", "x5c"].iter().any(|name| header.get(*name).is_some());
    let not_a_text = |name| header.get(name).is_some_and(|value: &Value| !value.is_string());
    if forbidden || not_a_text("alg") || not_a_text("kid") {
        return Err(Expected::Reason(Reason::HeaderNotAllowed));
    }
    if header.get("typ").and_then(Value::as_str) != Some("oauth-id-jag+jwt") {
        return Err(Expected::Reason(Reason::TypInvalid));
    }
    let text = |name| header.get(name).and_then(Value::as_str).map(str::to_owned);
    let alg = text("alg").filter(|alg| Algorithm::ALL.iter().any(|known| known.name() == alg));
    let alg = alg.ok_or(Expected::Reason(Reason::AlgNotAllowed))?;
    Ok((alg, text("kid"), decode(payload)?, decode(signature)?))
}

/// A payload.
pub fn claims(data: &[u8]) {
    let read = fuzzing::claims(data);
    let Some(document) = document(data) else {
        let reason = read.expect_err("serde_json refuses it, or a limit does");
        assert!(is_json_fault(reason), "{reason:?}");
        return;
    };
    let (text, readings) = read.expect("serde_json takes it");
    assert_eq!(unsigned(parse(&text)), unsigned(document.clone()), "what was read is written back");
    for (name, reading) in readings {
        let expected = claim(&document, name);
        match (name, &reading, &expected) {
            // These are written back, where spaces and spellings may differ.
            ("act" | "authorization_details", Ok(Some(found)), Ok(Some(expected))) => {
                assert_eq!(unsigned(parse(found)), unsigned(parse(expected)), "{name}");
            }
            ("cnf", Err(Reason::CnfMalformed), Err(Reason::CnfMethodUnknown)) => {}
            _ => assert_eq!(reading, expected, "{name}"),
        }
    }
}

/// What `cnf` is written back as: the methods that are known, each a digest in its one spelling.
fn confirmation(value: &Value) -> Result<String, Reason> {
    let methods = value.as_object().filter(|methods| !methods.is_empty()).ok_or(Reason::CnfMalformed)?;
    let is_digest = |value: &Value| {
        let digest = value.as_str().and_then(|text| decode(text.as_bytes()));
        digest.is_some_and(|digest| digest.len() == 32)
    };
    if methods.keys().all(|name| name == "jkt" || name == "x5t#S256") {
        if !methods.values().all(is_digest) {
            return Err(Reason::CnfMalformed);
        }
        let written = ["jkt", "x5t#S256"].iter().filter_map(|name| Some((name, methods.get(*name)?)));
        let written: Vec<String> = written.map(|(name, value)| format!("\"{name}\":{value}")).collect();
        return Ok(format!("{{{}}}", written.join(",")));
    }
    // Which of two faults is named depends on the order of the members, which this reading has lost.
    Err(Reason::CnfMethodUnknown)
}

/// What a claim means: its text, nothing, or a refusal.
fn claim(document: &Value, name: &str) -> Result<Option<String>, Reason> {
    let value = document.get(name);
    let text = |value: Option<&Value>| {
        value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let required = |reason| text(value).map(Some).ok_or(reason);
    let optional = |reason| if value.is_none() { Ok(None) } else { required(reason) };
    match name {
        "iss" => required(Reason::IssuerMalformed),
        "sub" => required(Reason::SubjectMalformed),
        "client_id" => required(Reason::ClientIdMalformed),
        "aud_sub" => required(Reason::AudSubMalformed),
        "tenant" | "aud_tenant" => optional(Reason::TenantMalformed),
        "jti" => match required(Reason::JtiMalformed)? {
            Some(jti) if jti.chars().count() > MAX_JTI_CHARS => Err(Reason::JtiMalformed),
            jti => Ok(jti),
        },
        "aud" => {
            let only = match value {
                Some(Value::Array(elements)) if elements.len() == 1 => elements.first(),
                other => other,
            };
            only.and_then(Value::as_str).map(|only| Some(only.to_owned())).ok_or(Reason::AudienceMalformed)
        }
        "exp" => date(value).map(Some).ok_or(Reason::ExpMalformed),
        "iat" => date(value).map(Some).ok_or(Reason::IatMalformed),
        "nbf" => value.map(|value| date(Some(value)).ok_or(Reason::NbfMalformed)).transpose(),
        "sub_id" => {
            let member = |name| text(value.and_then(|value| value.get(name)));
            match (member("format").as_deref(), member("issuer"), member("nameid")) {
                (Some("saml-nameid"), Some(issuer), Some(nameid)) => Ok(Some(format!("{issuer}\n{nameid}"))),
                _ => Err(Reason::SubIdMalformed),
            }
        }
        "scope" if document.get("scp").is_some() => Err(Reason::ScopeMalformed),
        "scope" => match value {
            None => Ok(None),
            Some(value) => {
                let token = |token: &str| {
                    !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '\\')
                };
                let scope = value.as_str().filter(|scope| scope.split(' ').all(token));
                scope.map(|scope| Some(scope.to_owned())).ok_or(Reason::ScopeMalformed)
            }
        },
        "email" => Ok(value.and_then(Value::as_str).map(str::to_owned)),
        "act" => {
            let (mut actor, mut depth) = (value, 0);
            while let Some(found) = actor {
                depth += 1;
                if depth > MAX_ACT_DEPTH {
                    return Err(Reason::ActTooDeep);
                }
                let issuer_fits = found.get("iss").is_none() || text(found.get("iss")).is_some();
                if text(found.get("sub")).is_none() || !issuer_fits {
                    return Err(Reason::ActMalformed);
                }
                actor = found.get("act");
            }
            Ok(value.map(Value::to_string))
        }
        "cnf" => value.map(confirmation).transpose(),
        "authorization_details" => match value {
            None => Ok(None),
            Some(Value::Array(elements))
                if elements.iter().all(|element| text(element.get("type")).is_some()) =>
            {
                Ok(value.map(Value::to_string))
            }
            Some(_) => Err(Reason::AuthorizationDetailsMalformed),
        },
        "groups" => {
            let has = document.get("hasgroups").is_some_and(|has| *has == true || *has == "true");
            groups(document, value, "groups", has)
        }
        "roles.names" => match document.get("roles") {
            Some(roles) if !roles.is_object() && !overage(document, "roles") => Err(Reason::GroupsMalformed),
            roles => groups(document, roles.and_then(|roles| roles.get("names")), "roles", false),
        },
        other => panic!("nobody wrote down what `{other}` means"),
    }
}

fn groups(
    document: &Value,
    value: Option<&Value>,
    first: &str,
    marked: bool,
) -> Result<Option<String>, Reason> {
    if marked || overage(document, first) {
        return Ok(Some("overage".to_owned()));
    }
    let names = match value {
        None => return Ok(None),
        Some(Value::Array(names)) => names.iter().map(Value::as_str).collect(),
        Some(one) => one.as_str().map(|one| vec![one]),
    };
    names.map(|names| Some(names.join("\n"))).ok_or(Reason::GroupsMalformed)
}

fn overage(document: &Value, claim: &str) -> bool {
    document.get("_claim_names").is_some_and(|sources| sources.get(claim).is_some())
}

fn date(value: Option<&Value>) -> Option<String> {
    let number = value?.as_number()?;
    if let Some(whole) = number.as_i64() {
        return Some(format!("{whole} {whole}"));
    }
    let seconds = number.as_f64().filter(|seconds| !number.is_u64() && seconds.abs() <= 2_f64.powi(53))?;
    Some(format!("{} {}", seconds.floor(), seconds.ceil()).replace("-0", "0"))
}

fn is_json_fault(reason: Reason) -> bool {
    matches!(reason, Reason::JsonInvalid | Reason::JsonDuplicateMember | Reason::JsonTooComplex)
}

/// With zeros of one kind: of `-0` serde_json makes a fraction, to keep its sign, and a whole number is read here.
fn unsigned(value: Value) -> Value {
    match value {
        Value::Number(number) if number.as_f64() == Some(0.0) => 0.into(),
        Value::Array(values) => values.into_iter().map(unsigned).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, unsigned(value))).collect(),
        other => other,
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON was written")
}

/// The document, if it is one that is to be read: an object, with no member twice and within the limits.
fn document(text: &[u8]) -> Option<Value> {
    let tree: Tree = serde_json::from_slice(text).ok()?;
    let odd = |tree: &Tree| match tree {
        Tree::Object(members) => {
            let names: BTreeSet<_> = members.iter().map(|(name, _)| name).collect();
            names.len() < members.len() || members.len() > MAX_MEMBERS
        }
        _ => false,
    };
    let object = matches!(tree, Tree::Object(_));
    let taken = object && tree.depth() <= MAX_DEPTH && !tree.any(&odd) && !has_huge_integer(text);
    taken.then(|| tree.value())
}

/// Whether a number without fraction and exponent does not fit in 64 bits. Of such, serde_json makes a float.
fn has_huge_integer(text: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    let outside: Vec<u8> = text
        .iter()
        .map(|byte| {
            let was_quoted = quoted;
            match byte {
                b'"' if !escaped => quoted = !quoted,
                _ => {}
            }
            escaped = was_quoted && *byte == b'\\' && !escaped;
            if was_quoted { b' ' } else { *byte }
        })
        .collect();
    outside
        .split(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
        .filter_map(|token| std::str::from_utf8(token).ok())
        .filter(|token| token.bytes().any(|byte| byte.is_ascii_digit()) && !token.contains(['.', 'e', 'E']))
        .any(|token| token.parse::<i64>().is_err() && token.parse::<u64>().is_err())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn encode(bytes: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let sextet = |bits: &[u8]| (0..6).fold(0, |value, at| value << 1 | bits.get(at).copied().unwrap_or(0));
    bits.chunks(6).map(|bits| ALPHABET[usize::from(sextet(bits))]).collect()
}

/// The bytes, if the text is what [`encode`] makes of them.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let values: Option<Vec<usize>> =
        text.iter().map(|byte| ALPHABET.iter().position(|known| known == byte)).collect();
    let bits: Vec<u8> =
        values?.iter().flat_map(|value| (0..6).rev().map(move |bit| (value >> bit & 1) as u8)).collect();
    let bytes: Vec<u8> =
        bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect();
    (encode(&bytes) == text).then_some(bytes)
}
