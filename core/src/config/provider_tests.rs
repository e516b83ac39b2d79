//! The configuration of an identity provider: a complete one, and what is refused, with the exact text.

use super::*;
use crate::alg::Algorithm;

const COMPLETE: &str = include_str!("testdata/idp.toml");
const CHANGES: &str = include_str!("testdata/idp_changes.txt");

fn read(path: &str) -> Result<Vec<u8>, String> {
    let text = match path {
        "directory.json" => r#"{"version": 1, "people": []}"#,
        "es256.jwk" => {
            r#"{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "10", "x": "jlM7b6C_e0YluzBmfAH7YH75-LioD-9bMAYocDGHsqM",
                "y": "c-sdveAzGDZtBp-DpvWQAFPHNjPLBBshxV4ahsH0ALQ", "d": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAc"}"#
        }
        "hs256.jwk" => {
            r#"{"kty": "oct", "alg": "HS256", "kid": "o", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAc"}"#
        }
        "jwks.json" => {
            r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#
        }
        _ => return Err("no such file".to_owned()),
    };
    Ok(text.as_bytes().to_vec())
}

fn parse(text: &str) -> Result<IdpConfig, Error> {
    IdpConfig::parse("idp.toml", text, &mut read)
}

#[test]
fn the_complete_example_is_read() {
    let config = parse(COMPLETE).unwrap();
    assert_eq!((config.lifetime_s, config.limits.leeway_s), (120, 5));
    assert_eq!(config.endpoints.token, "https://idp.example/oauth/token");
    assert_eq!(config.endpoints.jwks, "https://idp.example/jwks");
    let [issuer] = &config.issuers[..] else { panic!("one issuer") };
    assert!(issuer.trust.enabled && issuer.trust.groups.directory && issuer.trust.tenants.is_empty());
    assert_eq!((issuer.trust.max_lifetime_s, issuer.line), (60, 14));
    let [target] = &config.targets[..] else { panic!("one target") };
    assert_eq!(target.issuer, "https://idp.example");
    assert_eq!(target.groups.as_deref(), Some(&["eng".to_owned()][..]));
    assert_eq!(target.clients, [("agent".to_owned(), "f53f191f9311af35".to_owned())]);
    assert_eq!(format!("{:?}", target.claims), "[Email, Groups]");
    let warnings =
        ["idp.toml:13: `clients[0].auth`: whoever has an ID token of this client gets its ID-JAGs"];
    assert_eq!(config.warnings(), warnings);
    assert_eq!(
        format!("{config:?}"),
        "IdpConfig { file: \"idp.toml\", issuer: \"https://idp.example\", .. }"
    );
}

#[test]
fn what_is_left_out_is_off_or_safe() {
    let config = parse("issuer = 'https://idp.example'\ntokens.keys = 'ephemeral'\n").unwrap();
    assert_eq!((config.lifetime_s, config.limits.leeway_s), (300, 30));
    assert_eq!(config.keys.signer().algorithm(), Algorithm::EdDSA);
    assert!(config.targets.is_empty() && config.issuers.is_empty() && config.clients.is_empty());
    let warnings = [
        "idp.toml:2: `tokens.keys`: the signing key is made at start and kept nowhere; a restart makes every ID-JAG and ID token invalid",
        "idp.toml:1: no target is written down, so every request is refused",
    ];
    assert_eq!(config.warnings(), warnings);
}

#[test]
fn each_fault_is_answered_with_its_text() {
    let blocks: Vec<&str> = CHANGES.split("\n\n").skip(1).collect();
    assert_eq!(blocks.len(), 30);
    for block in blocks {
        let text = |mark: &str| {
            let rest = block.lines().filter_map(|line| line.strip_prefix(mark));
            rest.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
        };
        let (from, to) = (text("-"), text("+"));
        assert_eq!(COMPLETE.matches(&from).count(), 1, "{from:?} does not stand there once");
        let text_with_fault = COMPLETE.replacen(&from, &to, 1);
        assert_eq!(parse(&text_with_fault).unwrap_err().to_string(), text("="), "{to}");
    }
}
