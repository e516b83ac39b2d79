//! `idjag init`: writes a complete starter set, so that nobody starts from an empty page.

use std::path::{Path, PathBuf};

use idjag::{Algorithm, Clock, SigningKey, SystemClock};
use serde_json::json;

use crate::files::{CONFIG, FileSet};
use crate::keys::{new_secret, sha256};
use crate::problem::Result;
use crate::{Answer, calendar};

/// Write a complete starter set: configuration, policy, directory and keys
///
/// Every file is commented and passes `idjag check`. The IdP in it is an example whose private key is beside it, so that
/// you can sign an ID-JAG and try everything before your IdP is connected. Nothing is ever overwritten.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  idjag init auth
  idjag check --config auth/idjag.toml")]
pub(crate) struct Args {
    /// Where to write it; made where it is missing
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

const IDP: &str = "https://acme.idp.example";
const ISSUER: &str = "https://auth.chat.example/";

pub(crate) fn run(args: &Args) -> Result<Answer> {
    let now = SystemClock.now();
    let idp = SigningKey::generate(Algorithm::ES256)?;
    let tokens = SigningKey::generate(Algorithm::EdDSA)?;
    let secret = new_secret()?;
    let key_file = format!("keys/{}.jwk", month(now));

    let mut files = FileSet::default();
    files.add(CONFIG, config(&key_file, &sha256(&secret)));
    files.add("policy.toml", policy(now));
    files.add("directory.json", directory());
    files.add("idp.jwks.json", format!("{{\"keys\":[{}]}}\n", idp.public_jwk().unwrap_or_default()));
    files.add_secret(&key_file, tokens.to_jwk().as_bytes());
    files.add_secret("keys/example-idp.jwk", idp.to_jwk().as_bytes());
    files.add_secret("keys/agent.secret", format!("{secret}\n"));
    files.write_to(&args.dir)?;

    for path in files.paths() {
        anstream::println!("wrote {}", args.dir.join(path).display());
    }
    anstream::println!("{}", next_steps(&args.dir));
    Ok(Answer::Yes)
}

fn month(now: i64) -> String {
    let date = calendar::date_after(now, 0);
    date.rsplit_once('-').map_or(date.clone(), |(month, _)| month.to_owned())
}

fn config(key_file: &str, secret_sha256: &str) -> String {
    format!(
        r#"# The wiring of this authorization server. Paths are relative to this file; `idjag check` says what is on.

# Our issuer identifier (RFC 8414): what IdPs write into `aud`, compared byte for byte, slash included.
issuer = "{ISSUER}"
# Who may do what, owned by whoever answers for access.
policy = "policy.toml"
# People and their groups, for IdPs whose ID-JAGs carry none.
directory = "directory.json"

[audit] # or, in place of it, audit = "off"
# Every exchange leaves a line in this folder: who got what, or why not. Look with `idjag audit report audit`, verify with
# `idjag audit verify audit`; copy `vkey` once and `checkpoints` often to another machine.
path = "audit"
durability = "sync" # on disk before each answer; {{ group_ms = 5 }} or "async" are faster, and may lose the last lines
subject = "plain"   # or "hmac", "omit": how people are named
# keep_days = 400   # older segments are removed, whole; their checkpoints stay. Everything is kept without it

[tokens]
algorithm = "EdDSA" # EdDSA, ES256, RS256 or HS256
ttl_s = 3600        # access ends at once when policy, directory or a revocation says so, not only then
# The first signs. To rotate: `idjag keys new`, put the new file first, keep the old one for `ttl_s`.
keys = ["{key_file}"]

[limits]
leeway_s = 30        # how far clocks may differ
max_lifetime_s = 300 # how long an ID-JAG may live

[replay]
store = "memory" # of this process alone; "file" is shared by the processes of a host, "redis" by several
max_bytes = "512 MiB"
# After a start, ID-JAGs that are older than the process are refused for one lifetime: they may have been used.
cold_start = "refuse_older"

# Who may vouch for people. This one is an example: its private key is keys/example-idp.jwk. For a real one, write its
# issuer and save its key set, for Okta from https://YOUR-ORG.okta.com/oauth2/v1/keys, with algorithms = ["RS256"].
[[idps]]
issuer = "{IDP}"
jwks_file = "idp.jwks.json"
algorithms = ["ES256"]
# The person must be in the directory, and its groups count. {{ claim = "groups" }} takes those of the ID-JAG.
groups = {{ directory = true }}
# What an ID-JAG without `resource` is for.
default_resource = "https://mcp.chat.example/"

# Who may ask: the agent, and how it proves who it is.
[[clients]]
id = "agent"
auth = "client_secret_basic"
# The digest of keys/agent.secret; make another one with `idjag keys secret`.
secret_sha256 = "{secret_sha256}"
connectors = ["chat"]
"#
    )
}

fn policy(now: i64) -> String {
    let review_by = calendar::date_after(now, 180);
    format!(
        r#"# The written checklist: one entry for each MCP server. Nothing is on unless it is written here.

[[connectors]]
id = "chat"
resource = "https://mcp.chat.example/" # the resource identifier of the MCP server (RFC 9728)
scopes = ["chat.read", "chat.history", "chat.write"]
state = "enabled" # planned, enabled, suspended or retired; only enabled issues or accepts tokens
owner = "chat-platform@acme.example"
review_by = {review_by} # afterwards `idjag check` exits with 1

# Engineers read and write.
[[connectors.grants]]
groups = ["eng"]
scopes = ["chat.read", "chat.history", "chat.write"]

# Support reads.
[[connectors.grants]]
groups = ["support"]
scopes = ["chat.read"]

# Written down, not yet on.
[[connectors]]
id = "wiki"
resource = "https://mcp.wiki.example/"
scopes = ["wiki.read"]
state = "planned"
"#
    )
}

fn directory() -> String {
    let person = |subject: &str, groups: &[&str]| {
        format!("  {}", json!({"issuer": IDP, "subject": subject, "groups": groups}))
    };
    let people = [
        person("ada", &["eng", "office-london"]),
        person("grace", &["support", "office-new-york"]),
        person("guest", &[]),
    ];
    format!("{{\"version\":1,\"people\":[\n{}\n]}}\n", people.join(",\n"))
}

fn next_steps(dir: &Path) -> String {
    let config = dir.join(CONFIG);
    let config = config.display();
    format!(
        r#"
Next:
  1. See what is on, and who gets what:
       idjag check --config {config}
  2. Sign an ID-JAG with keys/example-idp.jwk: ES256, header `typ` "oauth-id-jag+jwt", claims
       iss "{IDP}", aud "{ISSUER}", client_id "agent", sub "ada",
       resource "https://mcp.chat.example/", a new jti, iat, and exp at most 300 s later
     and see what becomes of it:
       idjag explain --config {config} --assertion id-jag.txt --client-id agent
  3. Write your issuer, your IdP and your clients into {config},
     your connectors into policy.toml and your people into directory.json; then delete keys/example-idp.jwk."#
    )
}
