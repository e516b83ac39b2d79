//! Texts that administrators and IdPs write: configuration, key sets, directories.

use std::collections::HashMap;

use idjag::{Algorithm, Config, Directory, Exchange, KeySet, Request, SigningKey};
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::world::{idp_jwks, token_jwk};

/// What stands between the documents of one input of [`config`].
const NEXT_FILE: &str = "\n%%\n";

/// Configuration, then (each after a line `%%`) `policy.toml` and `directory.json`. What parses makes an engine, which
/// refuses rubbish; what does not says why in one line.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut files = text.split(NEXT_FILE);
    let (text, policy, directory) = (
        files.next().unwrap_or_default(),
        files.next().unwrap_or_default(),
        files.next().unwrap_or_default(),
    );
    let parsed = Config::parse("idjag.toml", text, &mut |file| match file {
        "policy.toml" => Ok(policy.into()),
        "directory.json" | "directory.csv" => Ok(directory.into()),
        "token.jwk" => Ok(token_jwk().into()),
        "idp.json" => Ok(idp_jwks().into()),
        _ => Err("no such file".to_owned()),
    });
    match parsed {
        Ok(config) => {
            let engine = Exchange::new(config).expect("what parses makes an engine");
            let answer = engine.exchange(&Request::default());
            assert!(answer.is_err(), "no configuration accepts nothing");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A key set. serde_json agrees that it is one, and no key is counted twice or comes from nowhere.
pub fn jwks(data: &[u8]) {
    let Ok(set) = KeySet::parse(data, Algorithm::ALL) else {
        return;
    };
    let Ok(document) = serde_json::from_slice::<Value>(data) else {
        // Members that are not looked at may hold what a value cannot: lone surrogates, huge numbers, deep nests.
        serde_json::from_slice::<IgnoredAny>(data).expect("the grammar of JSON");
        return;
    };
    let keys = document["keys"].as_array().expect("an array of keys");
    assert_eq!(set.len() + set.problems().len(), keys.len());
    let symmetric = keys.iter().filter(|key| key["kty"] == "oct").count();
    assert!(set.len() <= keys.len() - symmetric, "a symmetric key was kept");

    let none = KeySet::parse(data, &[]).expect("the document is the same");
    assert!(none.is_empty());
    for algorithm in Algorithm::ALL {
        let only = KeySet::parse(data, &[*algorithm]).expect("the document is the same");
        assert!(only.len() <= set.len());
    }
}

/// A private key. What is read is written and read again as the same key; its public half is in a key set what it is
/// alone; and serde_json finds the members of its type.
pub fn jwk(data: &[u8]) {
    let Ok(key) = SigningKey::from_jwk(data) else {
        return;
    };
    // Members that are not known are passed over (RFC 7517 section 4), lone surrogates within them, too.
    let document: HashMap<String, Box<RawValue>> = serde_json::from_slice(data).expect("an object");
    let member =
        |name: &str| document.get(name).and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let secret = if key.algorithm().is_symmetric() { "k" } else { "d" };
    assert!(member(secret).is_some_and(|value| value.is_string()), "a key that signs has its secret");
    if let Some(Value::String(kid)) = member("kid") {
        assert_eq!(key.kid(), kid);
    }
    let written = key.to_jwk();
    let again = SigningKey::from_jwk(written.as_bytes()).expect("what was written is read");
    assert_eq!(*again.to_jwk(), *written);
    assert_eq!((again.kid(), again.algorithm()), (key.kid(), key.algorithm()));
    match key.public_jwk() {
        None => assert!(key.algorithm().is_symmetric()),
        Some(public) => {
            assert!(!public.contains(r#""d":"#) && !public.contains(r#""k":"#), "a secret was published");
            let set = format!(r#"{{"keys":[{public}]}}"#);
            assert_eq!(KeySet::parse(set.as_bytes(), Algorithm::ALL).expect("a set").len(), 1);
        }
    }
}

/// `j` and JSON, or anything else and CSV. serde_json counts the same people; a row makes one person at most.
pub fn directory(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else {
        return;
    };
    if *kind == b'j' {
        let Ok(directory) = Directory::from_json("directory.json", text) else {
            return;
        };
        let document: Value = serde_json::from_slice(text).expect("JSON");
        assert_eq!(document["version"], 1);
        let people = document["people"].as_array().expect("an array of people");
        assert_eq!(directory.len(), people.len());
        let listed = |name: &str| {
            people
                .iter()
                .filter_map(|person| person["groups"].as_array())
                .flatten()
                .any(|group| group == name)
        };
        assert!(directory.groups().all(listed), "a group that nobody wrote");
    } else if let Ok(directory) = Directory::from_csv("directory.csv", text) {
        let rows = text.split(|byte| matches!(byte, b'\n' | b'\r')).count();
        assert!(directory.len() < rows.max(1), "more people than rows below the header");
        assert!(directory.groups().count() < rows.max(1));
    }
}
