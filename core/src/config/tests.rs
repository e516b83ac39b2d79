//! The whole configuration: a complete one in both notations, and what is refused, with the exact text.

use super::client::{AllOr, AssertionAudience, ClientAuth, TlsName};
use super::policy_text::Grant;
use super::rates::Rates;
use super::settings::{Durability, SubjectForm};
use super::*;
use crate::alg::Algorithm;
use crate::limiter::Rate;
use crate::reason::OAuthError;

const COMPLETE: &str = include_str!("testdata/idjag.toml");
const COMPLETE_JSON: &str = include_str!("testdata/idjag.json");
const POLICY: &str = include_str!("testdata/policy.toml");
const POLICY_JSON: &str = include_str!("testdata/policy.json");
const CHANGES: &str = include_str!("testdata/changes.txt");

const JWKS: &str = r#"{"keys": [
    {"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    {"kty": "oct", "kid": "o", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAc"}]}"#;

/// The files of the complete configuration, `policy` standing in for that one.
fn read(policy: &str, path: &str) -> Result<Vec<u8>, String> {
    let text = match path {
        "policy.toml" | "policy.json" => policy,
        "directory.json" => r#"{"version": 1, "people": []}"#,
        "directory.CSV" => "issuer,tenant,subject,active,group\n",
        "acme.jwks.json" => JWKS,
        "empty.jwks.json" => r#"{"keys": []}"#,
        "oct.jwks.json" => {
            r#"{"keys": [{"kty": "oct", "kid": "o", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAc"}]}"#
        }
        "latin-1.toml" => return Ok(b"# \xe9".to_vec()),
        "keys/2026-11.jwk" => {
            r#"{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "11", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#
        }
        "keys/2026-10.jwk" => {
            r#"{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "10", "x": "jlM7b6C_e0YluzBmfAH7YH75-LioD-9bMAYocDGHsqM",
                "y": "c-sdveAzGDZtBp-DpvWQAFPHNjPLBBshxV4ahsH0ALQ", "d": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAc"}"#
        }
        _ => return Err("no such file".to_owned()),
    };
    Ok(text.as_bytes().to_vec())
}

fn parse(text: &str, policy: &str) -> Result<Config, Error> {
    Config::parse("idjag.toml", text, &mut |path| read(policy, path))
}

/// `text` with `from`, which stands in it once, replaced.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from:?} does not stand there once");
    text.replacen(from, to, 1)
}

/// Everything that a configuration says, without the lines where it says it.
fn without_lines(config: &Config) -> String {
    let text = format!("{config:#?}");
    let text: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("line: ")).collect();
    text.join("\n")
}

fn rates(failures: i64, failures_per_peer: i64, refusals: i64) -> Rates {
    let [failures, failures_per_peer, refusals] =
        [failures, failures_per_peer, refusals].map(|per_minute| Some(Rate::per_minute(per_minute)));
    Rates { failures, failures_per_peer, refusals }
}

#[test]
fn the_complete_example_is_read() {
    let config = parse(COMPLETE, POLICY).unwrap();
    assert_eq!(config.issuer, "https://auth.chat.example/");
    assert_eq!(config.endpoints.token, "https://auth.chat.example/oauth/token");
    assert_eq!(config.endpoints.jwks, "https://auth.chat.example/jwks");
    assert_eq!(config.tokens.algorithm, Algorithm::EdDSA);
    assert_eq!(config.tokens.ttl_s, 1800);
    let keys: Vec<Algorithm> = config.tokens.keys.iter().map(crate::key::SigningKey::algorithm).collect();
    assert_eq!(keys, [Algorithm::EdDSA, Algorithm::ES256]);
    assert_eq!(
        config.limits,
        Limits {
            leeway_s: 20,
            max_lifetime_s: 200,
            max_assertion_bytes: 8192,
            max_body_bytes: 32768,
            max_act_depth: 4,
            max_jti_chars: 128,
            rates: rates(10, 60, 600),
        }
    );
    assert!(config.dpop.nonce);
    assert_eq!(config.replay.store, Store::Memory { max_bytes: 64 << 20 });
    assert_eq!(config.replay.cold_start, ColdStart::RefuseOlder);
    assert!(!config.replay.allow_per_process);
    assert_eq!(
        config.audit,
        Audit::Record {
            path: "audit".into(),
            durability: Durability::GroupMs(5),
            subject: SubjectForm::Hmac,
            keep_days: None,
        }
    );
    assert_eq!(config.compat.resource_mismatch, OAuthError::InvalidTarget);
    assert_eq!(config.compat.missing_access, OAuthError::InvalidGrant);
}

#[test]
fn a_second_process_is_at_fault_unless_that_is_allowed() {
    let fault = parse(COMPLETE, POLICY).unwrap().one_process(false).unwrap();
    assert_eq!((fault.line(), fault.key()), (Some(20), "replay"));
    assert!(fault.message().contains("`allow_per_process = true`") && !fault.message().contains("ephemeral"));
    let ephemeral = changed(COMPLETE, r#"["keys/2026-11.jwk", "keys/2026-10.jwk"]"#, r#""ephemeral""#);
    let fault = parse(&ephemeral, POLICY).unwrap().one_process(false).unwrap();
    assert!(fault.message().contains("`tokens.keys` is \"ephemeral\""));
    let shared = changed(COMPLETE, "store = \"memory\"", "store = \"file\"");
    assert_eq!(parse(&shared, POLICY).unwrap().one_process(false), None);
    assert_eq!(parse(COMPLETE, POLICY).unwrap().one_process(true), None);
    let shared = changed(&ephemeral, "store = \"memory\"", "store = \"file\"");
    let fault = parse(&shared, POLICY).unwrap().one_process(false).unwrap();
    assert_eq!(parse(&ephemeral, POLICY).unwrap().one_process(true).as_ref(), Some(&fault));
    assert!(
        fault.message().contains("`tokens.keys` is \"ephemeral\"") && !fault.message().contains("memory")
    );
    let allowed = changed(&ephemeral, "[replay]", "[replay]\nallow_per_process = true");
    assert_eq!(parse(&allowed, POLICY).unwrap().one_process(false), None);
}

#[test]
fn what_the_host_brings_is_not_named_as_well() {
    let config = parse(COMPLETE, POLICY).unwrap();
    assert_eq!(config.kept_twice(true, false), None);
    let fault = config.kept_twice(true, true).unwrap();
    assert_eq!((fault.key(), fault.message()), ("audit", "the host takes the record: say `audit = \"off\"`"));
    let shared = parse(&changed(COMPLETE, "store = \"memory\"", "store = \"file\""), POLICY).unwrap();
    assert_eq!(shared.kept_twice(false, false), None);
    assert!(shared.kept_twice(true, false).unwrap().message().contains("leave it out"));
}

#[test]
fn the_parties_of_the_complete_example_are_read() {
    let config = parse(COMPLETE, POLICY).unwrap();
    let [acme, multi] = &config.idps[..] else { panic!("two IdPs") };
    assert_eq!(*acme.trust.algorithms, [Algorithm::EdDSA, Algorithm::Ed25519]);
    assert_eq!(*acme.trust.groups.claim, ["realm", "groups"]);
    assert!(acme.trust.groups.is_union() && acme.trust.groups.from_claim());
    assert_eq!((acme.trust.subject, acme.trust.max_lifetime_s, acme.line), (SubjectKind::SubId, 100, 33));
    assert_eq!(
        *multi.trust.algorithms,
        [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA]
    );
    assert_eq!((multi.trust.subject, multi.trust.max_lifetime_s, multi.line), (SubjectKind::Sub, 200, 45));
    assert!(
        multi.trust.enabled
            && multi.trust.single_use
            && multi.trust.groups.from_claim()
            && !multi.trust.groups.is_union()
    );
    assert!(matches!(&multi.keys, Keys::Static(keys) if !keys.is_empty()));

    let [basic, jwt, tls] = &config.clients[..] else { panic!("three clients") };
    assert!(matches!(&basic.auth, ClientAuth::SecretBasic(digests) if digests[0].0[31] == 0x1f));
    assert!(basic.connectors.admit("chat") && !basic.connectors.admit("wiki") && basic.idps == AllOr::All);
    assert!(matches!(jwt.auth, ClientAuth::PrivateKeyJwt { audience: AssertionAudience::TokenEndpoint, .. }));
    assert!(!jwt.idps.admit("https://multi.idp.example"));
    assert!(
        !tls.enabled
            && matches!(&tls.auth, ClientAuth::Tls(TlsName::SanDns(name)) if name == "client.example")
    );

    let [chat, wiki] = &config.connectors[..] else { panic!("two connectors") };
    assert_eq!((chat.state, wiki.state), (State::Enabled, State::Planned));
    assert_eq!(chat.review_by, Date::parse("2027-02-01"));
    assert!(chat.require_dpop && !wiki.require_dpop);
    assert_eq!(wiki.resources.len(), 2);
    assert_eq!(
        chat.grants,
        [
            Grant {
                groups: vec!["eng".into()],
                everyone: false,
                issuers: Some(vec!["https://acme.idp.example".into()]),
                tenant: None,
                scopes: vec!["chat.read".into(), "chat.history".into()],
                authorization_details: vec!["message".into()],
                line: 13,
            },
            Grant {
                groups: Vec::new(),
                everyone: true,
                issuers: Some(vec!["https://multi.idp.example".into()]),
                tenant: Some("north".into()),
                scopes: chat.scopes.clone(),
                authorization_details: Vec::new(),
                line: 18,
            },
        ]
    );
    assert_eq!(
        (config.policy_file.as_str(), config.policy_text.as_slice()),
        ("policy.toml", POLICY.as_bytes())
    );
    assert_eq!(
        config.warnings(),
        [
            "idjag.toml:36: `idps[0].jwks_file`: the key `o` is not used: a symmetric key (`oct`) never verifies an assertion",
            "idjag.toml:62: `clients[1].jwks_file`: the key `o` is not used: a symmetric key (`oct`) never verifies an assertion",
        ]
    );
}

#[test]
fn what_is_left_out_has_the_safe_default() {
    let text = "issuer = 'http://[::1]:8080/a'\npolicy = 'policy.toml'\ntokens.keys = ['keys/2026-11.jwk']\naudit = 'off'";
    let config = parse(text, "").unwrap();
    assert_eq!(config.endpoints.authorize, "http://[::1]:8080/a/authorize");
    assert_eq!(
        (config.tokens.algorithm, config.tokens.ttl_s, config.tokens.email),
        (Algorithm::EdDSA, 3600, false)
    );
    assert_eq!(
        config.limits,
        Limits {
            leeway_s: 30,
            max_lifetime_s: 300,
            max_assertion_bytes: 16_384,
            max_body_bytes: 65_536,
            max_act_depth: 5,
            max_jti_chars: 256,
            rates: rates(10, 60, 600),
        }
    );
    assert!(!config.dpop.nonce);
    assert_eq!(config.replay.store, Store::Memory { max_bytes: 512 << 20 });
    assert_eq!(config.replay.cold_start, ColdStart::RefuseOlder);
    assert_eq!(config.compat.resource_mismatch, OAuthError::InvalidGrant);
    assert_eq!(config.compat.missing_access, OAuthError::AccessDenied);
    assert!(config.directory.is_none());
    assert_eq!(config.audit, Audit::Off, "which is no default");
    assert!(config.idps.is_empty() && config.clients.is_empty() && config.connectors.is_empty());
    assert!(config.warnings().is_empty());
}

#[test]
fn what_may_happen_in_a_minute_is_written_as_a_number_or_off() {
    let read = |failures: &str, per_peer: &str, refusals: &str| {
        let keys = format!(
            "max_jti_chars = 128\nauth_failures_per_minute = {failures}\n\
             auth_failures_per_minute_per_peer = {per_peer}\nrefusals_per_minute = {refusals}"
        );
        parse(&changed(COMPLETE, "max_jti_chars = 128", &keys), POLICY).unwrap()
    };
    assert_eq!(read("1", "30", "100000").limits.rates, rates(1, 30, 100_000));
    let off = read("'off'", "'off'", "'off'");
    assert_eq!(off.limits.rates, Rates { failures: None, failures_per_peer: None, refusals: None });
    assert_eq!(off.warnings().len(), parse(COMPLETE, POLICY).unwrap().warnings().len() + 3);
}

#[test]
fn json_says_the_same_as_toml() {
    let toml = parse(COMPLETE, POLICY).unwrap();
    let mut json = parse(COMPLETE_JSON, POLICY_JSON).unwrap();
    let places: Vec<u32> =
        json.connectors.iter().flat_map(|c| c.grants.iter().map(|grant| grant.line)).collect();
    assert_eq!(places, [9, 13]);
    assert_eq!(json.idps[1].line, 20);
    let message = |warning: &String| warning.split_once(": ").unwrap().1.to_owned();
    json.warnings = json.warnings.iter().map(message).collect();
    assert_eq!(json.warnings, toml.warnings().iter().map(message).collect::<Vec<_>>());
    json.warnings.clone_from(&toml.warnings);
    json.policy_text.clone_from(&toml.policy_text);
    json.digest.clone_from(&toml.digest);
    assert_eq!(without_lines(&json), without_lines(&toml));
}

#[test]
fn a_policy_may_stand_inline() {
    let text = format!("{}{POLICY}", changed(COMPLETE, "policy = \"policy.toml\"\n", ""));
    let config = parse(&text, "").unwrap();
    assert_eq!((config.connectors.len(), config.policy_file.as_str()), (2, "idjag.toml"));
    assert_eq!(config.policy_text, text.as_bytes());
    let none = changed(COMPLETE, "policy = \"policy.toml\"", "connectors = []");
    assert_eq!(
        parse(&none, "").unwrap_err().to_string(),
        "idjag.toml:57: `clients[0].connectors[0]`: no connector `chat`; there are none"
    );
}

/// One change to a complete configuration or policy.
struct Change {
    file: &'static str,
    from: String,
    to: String,
    error: Option<&'static str>,
    warning: Option<&'static str>,
}

/// The changes of `testdata/changes.txt`, which says how they are written.
fn changes() -> Vec<Change> {
    let mut file = "";
    let mut changes = Vec::new();
    for block in CHANGES.split("\n\n") {
        if let Some(heading) = block.strip_prefix("# ") {
            file = heading.split(':').next().unwrap();
            continue;
        }
        let lines = |mark: &str| -> Vec<&'static str> {
            let rest = block.lines().filter_map(|line| line.strip_prefix(mark));
            rest.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect()
        };
        let text = |mark: &str| [lines(mark).join("\n").as_str(), "\n"].concat();
        changes.push(Change {
            file,
            from: text("-"),
            to: if lines("+").is_empty() { String::new() } else { text("+") },
            error: lines("=").first().copied(),
            warning: lines("~").first().copied(),
        });
    }
    changes
}

#[test]
fn each_change_is_answered_with_its_text() {
    let before = parse(COMPLETE, POLICY).unwrap();
    let changes = changes();
    assert!(changes.len() > 120, "{} changes were read", changes.len());
    for Change { file, from, to, error, warning } in changes {
        let (text, policy) = match file {
            "idjag.toml" => (changed(COMPLETE, &from, &to), POLICY.to_owned()),
            "idjag.json" => (changed(COMPLETE_JSON, &from, &to), POLICY.to_owned()),
            "policy.toml" => (COMPLETE.to_owned(), changed(POLICY, &from, &to)),
            "policy.json" => {
                let text = changed(COMPLETE, "policy = \"policy.toml\"", "policy = \"policy.json\"");
                (text, changed(POLICY_JSON, &from, &to))
            }
            _ => panic!("unknown file {file}"),
        };
        let name = if file.starts_with("idjag") { file } else { "idjag.toml" };
        let config = Config::parse(name, &text, &mut |path| read(&policy, path));
        match (config, error, warning) {
            (Err(found), Some(error), None) => assert_eq!(found.to_string(), error),
            (Ok(config), None, Some(warning)) => {
                let given = |config: &Config| config.warnings().iter().any(|other| other == warning);
                assert!(!given(&before), "not due to the change: {warning}");
                assert!(given(&config), "{warning} is not among {:#?}", config.warnings());
            }
            (result, ..) => {
                panic!("{from}{to}{error:?} {warning:?}: {:?}", result.map(|config| config.warnings))
            }
        }
    }
}

#[test]
fn a_record_can_be_refused_aloud() {
    let audit = COMPLETE.find("[audit]").unwrap();
    let compat = COMPLETE.find("[compat]").unwrap();
    let without = COMPLETE.get(audit..compat).unwrap();
    let off = parse(&format!("audit = \"off\"\n{}", changed(COMPLETE, without, "")), POLICY).unwrap();
    assert_eq!(off.audit, Audit::Off);
    let on = parse(&format!("audit = \"on\"\n{}", changed(COMPLETE, without, "")), POLICY);
    assert_eq!(
        on.unwrap_err().to_string(),
        "idjag.toml:1: `audit`: unknown value `on`; allowed: a table, or \"off\""
    );
    let nothing = parse(&changed(COMPLETE, without, ""), POLICY).unwrap_err();
    assert_eq!(
        nothing.to_string(),
        "idjag.toml:1: `audit`: is required: `[audit]` with `path = \"audit\"`, the folder of the record; or `audit = \"off\"`"
    );
}

#[test]
fn a_grant_may_leave_out_the_only_single_tenant_idp() {
    let multi = COMPLETE.find("[[idps]]\nissuer = \"https://multi").unwrap();
    let clients = COMPLETE.find("[[clients]]").unwrap();
    let one_idp = changed(COMPLETE, COMPLETE.get(multi..clients).unwrap(), "");
    let policy = |grant: &str| {
        format!(
            "[[connectors]]\nid = 'chat'\nresource = 'https://mcp.chat.example/'\nscopes = ['a', 'b']\nstate = 'planned'\n\
             grants = [{grant}]"
        )
    };
    let grant = |text: &str| parse(&one_idp, &policy(text)).unwrap().connectors[0].grants[0].clone();
    let left_out = grant("{groups = ['eng'], scopes = ['b']}");
    assert_eq!(left_out.issuers, Some(vec!["https://acme.idp.example".to_owned()]));
    assert_eq!(grant("{groups = ['eng'], any_issuer = true, scopes = ['b']}").issuers, None);
    assert_eq!(
        grant(
            "{groups = ['eng'], everyone = false, issuer = 'https://acme.idp.example', any_issuer = false, scopes = ['b']}"
        ),
        left_out
    );
    assert_eq!(grant("{everyone = true, scopes = ['*']}").scopes, ["a", "b"]);
    assert_eq!(
        parse(&one_idp, &policy("{groups = ['eng'], any_issuer = false, scopes = ['b']}"))
            .unwrap_err()
            .to_string(),
        "policy.toml:6: `connectors[0].grants[0].any_issuer`: must be true, or left out with `issuer` in its place"
    );

    let tenants = changed(&one_idp, "tenants = []\nsubject", "tenants = ['t']\nsubject");
    assert_eq!(
        parse(&tenants, &policy("{groups = ['eng'], tenant = 't', scopes = ['b']}")).unwrap_err().to_string(),
        "policy.toml:6: `connectors[0].grants[0]`: exactly one of these is required: issuer (a string or a list), \
         any_issuer = true; it may be left out only with one single-tenant IdP"
    );
    assert!(
        parse(&tenants, &policy("{groups = ['eng'], any_issuer = true, tenant = 't', scopes = ['b']}"))
            .is_ok()
    );
}

#[test]
fn a_policy_that_is_put_must_fit_the_configuration() {
    let config = parse(COMPLETE, POLICY).unwrap();
    let idps: Vec<&Idp> = config.idps.iter().rev().collect();
    let clients: Vec<&Client> = config.clients.iter().collect();
    let put = |text: &str| parse_policy("put", text, &idps, &clients);
    assert_eq!(put(POLICY).unwrap(), config.connectors);
    assert_eq!(put(POLICY_JSON).unwrap().len(), 2);
    let error = |text: &str| put(text).unwrap_err().to_string();
    assert_eq!(
        error(&changed(POLICY, "id = \"chat\"", "id = \"chats\"")),
        "put: `connectors`: no connector `chat`, which the client `f53f191f9311af35` names; there are: chats, wiki; \
         did you mean `chats`?"
    );
    assert_eq!(
        error(&changed(POLICY, "[\"tls\"]", "[\"mtls\"]")),
        "put:12: `connectors[0].introspect_clients[0]`: no client `mtls`; there are: f53f191f9311af35, jwt, tls; \
         did you mean `tls`?"
    );
    assert_eq!(error("issuer = 'x'"), "put:1: `issuer`: unknown key; allowed: connectors");
}

#[test]
fn a_review_is_overdue_after_its_day() {
    let config = parse(COMPLETE, POLICY).unwrap();
    let first_of_february = 1_801_440_000;
    assert!(config.overdue(first_of_february + 86_399).is_empty());
    assert_eq!(config.overdue(first_of_february + 86_400), ["chat"]);
    let suspended = changed(POLICY, "state = \"enabled\"", "state = \"suspended\"");
    assert!(parse(COMPLETE, &suspended).unwrap().overdue(first_of_february + 86_400).is_empty());
}

#[test]
fn the_directory_is_read_by_its_ending() {
    for file in ["directory.json", "directory.CSV"] {
        assert!(parse(&changed(COMPLETE, "directory.json", file), POLICY).unwrap().directory.is_some());
    }
}
