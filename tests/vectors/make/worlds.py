"""The worlds: complete configurations, each a small variation of `base`."""

import copy
import hashlib
import json

import keys
from keys import b64u, jwk, public, uint
from names import ACME, CHAT, CLIENT, FILES, GLOBEX, ISSUER, NOTES
from table import VECTORS

ALL_ALGORITHMS = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
]
WIDE = ["chat.read", "chat.history", "chat.write"]

worlds: dict[str, dict] = {}
directories: dict[str, dict] = {}


def client(name: str, **edits) -> dict:
    """A client that authenticates with a secret (which these cases never use)."""
    secret = hashlib.sha256(f"test-secret-{name}".encode()).hexdigest()
    return {"id": name, "auth": "client_secret_basic", "secret_sha256": secret, "connectors": ["chat"], **edits}


def connector(name: str, resource, scopes, grants, **edits) -> dict:
    """An enabled connector."""
    return {
        "id": name, "resource": resource, "scopes": scopes, "state": "enabled",
        "owner": f"{name}-platform@acme.example", "review_by": "2027-02-01", "grants": grants, **edits,
    }


def grant(groups, scopes, issuer=ACME, **edits) -> dict:
    """A grant to any of `groups`, as `issuer` names them."""
    return {"groups": groups, "issuer": issuer, "scopes": scopes, **edits}


def everyone(scopes, **edits) -> dict:
    """A grant to everybody whom the IdP vouches for."""
    return {"everyone": True, "issuer": ACME, "scopes": scopes, **edits}


def base() -> dict:
    """One IdP with a key of each usual kind, one enabled connector and one that is planned."""
    return {
        "issuer": ISSUER,
        "audit": "off",
        "limits": {"leeway_s": 30},
        "tokens": {"algorithm": "EdDSA", "ttl_s": 3600, "keys": ["../keys/token-ed25519.jwk"]},
        "replay": {"store": "memory", "cold_start": "accept"},
        "idps": [{
            "issuer": ACME,
            "algorithms": ["RS256", "PS256", "ES256", "EdDSA"],
            "jwks": {"keys": [public(f"acme-{alg}") for alg in ("rs256", "ps256", "es256", "ed25519")]},
        }],
        "clients": [
            client(CLIENT),
            client("client-for-everything", connectors=["*"]),
            client("client-for-notes", connectors=["notes"]),
            client("client-switched-off", enabled=False),
        ],
        "connectors": [
            connector("chat", CHAT, WIDE, [
                grant(["eng"], ["chat.read", "chat.history"]),
                grant(["leads", "chat admins"], WIDE),
            ]),
            connector("notes", NOTES, ["notes.read"], [grant(["eng"], ["notes.read"])], state="planned"),
        ],
    }


def every_way() -> list[dict]:
    """A client for each way to authenticate."""
    def digest(*secrets):
        return [hashlib.sha256(secret.encode()).hexdigest() for secret in secrets]

    def other(name, **members):
        return {"id": name, "connectors": ["chat"], **members}

    own = {"auth": "private_key_jwt", "jwks": {"keys": [public("client-rs256")]}}
    certificate = hashlib.sha256(b"test certificate of client-tls-self-signed").hexdigest()
    return [
        other("client-rotating", auth="client_secret_basic", secret_sha256=digest("test-secret-old", "test-secret-new")),
        other("client:with spaces+", auth="client_secret_basic", secret_sha256=digest("a%2b c:d+")[0]),
        client("client-post", auth="client_secret_post"),
        other("client-jwt", **own),
        other("client-jwt-endpoint", assertion_audience="token_endpoint", **own),
        other("client-tls", auth="self_signed_tls_client_auth", certificate_sha256=certificate),
        other("client-public", auth="none", connectors=["*"]),
    ]


def world(name: str, edit=lambda w: None) -> dict:
    """`base` with an edit, under a name."""
    worlds[name] = base()
    edit(worlds[name])
    return worlds[name]


def acme(**edits):
    """An edit of the IdP; None takes a member away."""
    def edit(w):
        w["idps"][0].update(edits)
        w["idps"][0] = {k: v for k, v in w["idps"][0].items() if v is not None}
    return edit


def chat(**edits):
    """An edit of the chat connector."""
    return lambda w: w["connectors"][0].update(edits)


def notes(**edits):
    """An edit of the notes connector."""
    return lambda w: w["connectors"][1].update(edits)


def grants(*entries):
    """Other grants of the chat connector."""
    return chat(grants=list(entries))


def alone(w):
    """Leaves the chat connector and the first client only, where the IdP is not the usual one."""
    w["connectors"], w["clients"] = w["connectors"][:1], w["clients"][:1]


def top(**edits):
    """An edit of tables or members at the top."""
    def edit(w):
        for name, value in edits.items():
            if isinstance(value, dict):
                w.setdefault(name, {}).update(value)
            else:
                w[name] = value
    return edit


def both(*edits):
    """One edit after the other."""
    def edit(w):
        for one in edits:
            one(w)
    return edit


def people(name: str, *entries) -> str:
    """A directory file, and its path as a world names it."""
    directories[name] = {"version": 1, "people": list(entries)}
    return f"../directories/{name}.json"


def person(subject, groups, issuer=ACME, **edits) -> dict:
    """Somebody in the directory."""
    return {"issuer": issuer, "subject": subject, "groups": groups, **edits}


def tokens(algorithm, *names):
    """Other keys for our own tokens."""
    return top(tokens={"algorithm": algorithm, "keys": [f"../keys/{name}.jwk" for name in names]})


def globex(**edits) -> dict:
    """A second IdP."""
    return {
        "issuer": GLOBEX, "algorithms": ["RS256", "ES256"],
        "jwks": {"keys": [public("globex-rs256"), public("globex-es256")]}, **edits,
    }


def _poisonous() -> list[dict]:
    """Keys that must not be used, one good one in their midst."""
    rsa_one, es256, rs256 = public("acme-rsa-one"), public("acme-es256"), public("acme-rs256")
    n = int.from_bytes(keys.unb64u(rsa_one["n"]), "big")

    def bad(kid, key, **edits):
        return {k: v for k, v in {**key, "kid": f"test-bad-{kid}", **edits}.items() if v is not None}

    return [
        bad("oct", {"kty": "oct", "k": b64u(b"test" * 8), "use": "sig"}),
        bad("oct-empty", {"kty": "oct", "k": "", "use": "sig"}),
        bad("use-enc", rsa_one, use="enc"),
        bad("key-ops-encrypt", rsa_one, use=None, key_ops=["encrypt", "wrapKey"]),
        bad("private", {k: v for k, v in jwk("acme-rsa-one").items()}),
        bad("private-ec", {k: v for k, v in jwk("acme-es256-two").items()}, alg="ES256"),
        bad("alg-none", rsa_one, alg="none"),
        bad("alg-hs256", rsa_one, alg="HS256"),
        bad("alg-of-other-type", rsa_one, alg="ES256"),
        bad("alg-encryption", rsa_one, alg="RSA-OAEP"),
        bad("rsa-1024", public("weak-rsa-1024")),
        bad("rsa-e-one", rsa_one, e=uint(1)),
        bad("rsa-e-even", rsa_one, e=uint(65536)),
        bad("rsa-n-even", rsa_one, n=uint(n - 1)),
        bad("rsa-n-huge", rsa_one, n=uint((1 << 16400) + 1)),
        bad("rsa-n-missing", rsa_one, n=None),
        bad("rsa-n-not-base64url", rsa_one, n="%%%"),
        bad("p384-as-es256", public("acme-es384"), alg="ES256"),
        bad("ec-off-curve", es256, y=uint(1, 32)),
        bad("ec-infinity", es256, x=uint(0, 32), y=uint(0, 32)),
        bad("ec-short-coordinate", es256, x=es256["x"][:40]),
        bad("ec-unknown-curve", es256, crv="secp256k1"),
        bad("okp-x25519", public("acme-ed25519"), crv="X25519"),
        bad("okp-short", public("acme-ed25519"), x=b64u(b"\x01" * 31)),
        bad("okp-off-curve", public("acme-ed25519"), x=b64u(b"\x02" + b"\x00" * 31)),
        bad("okp-small-order", public("acme-ed25519"), x=b64u(b"\x01" + b"\x00" * 31)),
        bad("unknown-type", {"kty": "LMS", "pub": "AAAA"}),
        {"use": "sig"},
        rs256,
    ]


def _all() -> None:
    world("base")
    world("two-connectors", notes(state="enabled"))
    world("connector-suspended", chat(state="suspended"))
    world("connector-retired", chat(state="retired"))
    world("two-idps", lambda w: (
        w["idps"].append(globex()),
        w["connectors"][0]["grants"].append(grant(["partners"], ["chat.read"], issuer=GLOBEX)),
        w["connectors"][0]["grants"].append(grant(["staff"], ["chat.read"], issuer=[ACME, GLOBEX])),
        w["connectors"][0]["grants"].append(
            {"groups": ["auditors"], "any_issuer": True, "scopes": ["chat.history"]}),
        w["clients"].append(client("client-of-globex", idps=[GLOBEX])),
    ))
    world("requests", lambda w: w["clients"].extend(every_way()))
    world("requests-introspected", both(
        lambda w: w["clients"].extend(every_way()), chat(introspect_clients=["client-for-everything"])))
    world("requests-without-idps", both(lambda w: w["clients"].extend(every_way()), acme(enabled=False)))
    world("requests-limited", both(lambda w: w["clients"].extend(every_way()), top(limits={
        "auth_failures_per_minute": 3, "auth_failures_per_minute_per_peer": 5, "refusals_per_minute": 2})))
    world("requests-without-limits", both(lambda w: w["clients"].extend(every_way()), top(limits={
        "auth_failures_per_minute": "off", "auth_failures_per_minute_per_peer": "off",
        "refusals_per_minute": "off"})))
    world("requests-proof-for-everyone", both(lambda w: w["clients"].extend(every_way()), chat(require=["dpop"])))
    world("requests-two-connectors", both(lambda w: w["clients"].extend(every_way()), notes(state="enabled")))
    world("requests-other-codes", both(lambda w: w["clients"].extend(every_way()), top(compat={
        "resource_mismatch": "invalid_target", "missing_access": "invalid_grant"})))
    world("requests-with-nonce", both(lambda w: w["clients"].extend(every_way()), top(dpop={"nonce": True})))
    world("idp-switched-off", acme(enabled=False))
    world("client-switched-off", lambda w: w["clients"][0].update(enabled=False))
    world("two-tenants", both(alone, acme(tenants=["t-one", "t-two"]), grants(
        grant(["eng"], ["chat.read", "chat.history"], tenant="t-one"),
        grant(["eng"], ["chat.read"], tenant="t-two"),
    )))
    world("tenants-that-join", both(alone, acme(tenants=["t", "t-a"]), grants(
        *(grant(["eng"], ["chat.read"], tenant=tenant) for tenant in ("t", "t-a")))))
    world("our-tenants", top(tenants=["ours"]))
    world("directory", both(
        acme(groups={"claim": "groups", "directory": True}),
        top(directory=people(
            "people",
            person("00u1a2b3c4d5e6f7g8h9", ["eng"]),
            person("00u-in-no-group", []),
            person("00u-switched-off", ["eng"], active=False),
            person("00u-of-globex", ["eng"], issuer=GLOBEX),
        )),
        lambda w: w["idps"].append(globex(groups={"claim": "groups", "directory": True})),
    ))
    world("directory-everyone", both(
        acme(groups={"claim": "groups", "directory": True}),
        top(directory="../directories/people.json"),
        lambda w: w["connectors"][0]["grants"].append(everyone(["chat.read"])),
    ))
    world("directory-after-leaving", both(
        acme(groups={"claim": "groups", "directory": True}),
        top(directory=people("people-later", person("00u1a2b3c4d5e6f7g8h9", ["eng"], active=False))),
    ))
    world("directory-union", both(
        acme(groups={"claim": "groups", "directory": True, "combine": "union"}),
        top(directory="../directories/people.json"),
    ))
    world("subject-is-aud-sub", both(
        acme(subject="aud_sub", groups={"claim": "groups", "directory": True}),
        top(directory=people("accounts", person("chat-user-7", ["eng"]))),
    ))
    world("subject-is-sub-id", both(
        acme(subject="sub_id", saml_issuers=["http://www.okta.com/exk1a2b3c4d5e6f7g8h9"],
             groups={"claim": "groups", "directory": True}),
        top(directory=people("mailboxes", person("user@acme.example", ["eng"]))),
    ))
    world("mismatch-is-invalid-target", top(compat={"resource_mismatch": "invalid_target"}))
    world("missing-access-is-invalid-grant", top(compat={"missing_access": "invalid_grant"}))
    world("missing-access-is-invalid-grant-suspended", both(
        top(compat={"missing_access": "invalid_grant"}), chat(state="suspended")))
    world("audience-aliases", top(compat={"audience_aliases": ["https://auth.chat.example"]}))
    world("default-resource", both(notes(state="enabled"), acme(default_resource=NOTES), lambda w: (
        w["clients"][0].update(connectors=["*"]))))
    world("two-connectors-wide-client", both(notes(state="enabled"), lambda w: (
        w["clients"][0].update(connectors=["*"]))))
    world("resource-list", chat(resource=[CHAT, "https://mcp.chat.example/v2"]))
    world("reusable", acme(single_use=False))
    world("cold-start-refuse", top(replay={"cold_start": "refuse_older"}))
    world("replay-of-4-kib", top(replay={"max_bytes": "4 KiB"}))
    world("keys-not-yet-fetched", both(
        acme(jwks=None, jwks_uri="https://acme.idp.example/keys"), top(fetch={"enabled": False})))
    world("duplicate-kid", acme(jwks={"keys": [
        public("acme-rsa-one", kid="test-twice"), public("acme-rsa-two", kid="test-twice"),
        public("acme-rs256"),
    ]}))
    world("two-keys-of-a-kind", acme(jwks={"keys": [
        public("acme-rsa-one"), public("acme-rsa-two"), public("acme-es256"),
    ]}))
    world("one-key-for-signatures", acme(jwks={"keys": [
        public("acme-rsa-one"), public("acme-rsa-two", use="enc"),
    ]}))
    world("one-key-on-the-curve", acme(jwks={"keys": [
        public("acme-ed25519"), public("acme-ed25519", kid="test-bad-okp-off-curve", x=b64u(b"\x02" + b"\x00" * 31)),
    ]}))
    world("key-without-kid", acme(jwks={"keys": [public("acme-rsa-one", kid=None)]}))
    world("poisonous-keys", acme(jwks={"keys": _poisonous()}))
    world("roca-key", acme(jwks={"keys": [public("weak-rsa-roca"), public("acme-rs256")]}))
    world("all-algorithms", acme(algorithms=ALL_ALGORITHMS, jwks={"keys": [
        public(f"acme-{name}") for name in
        ("rsa-one", "rsa-two", "es256-two", "es384", "es512", "ed25519-two", "rs256")
    ]}))
    world("es256-only", acme(algorithms=["ES256"]))
    world("ed25519-by-name", acme(algorithms=["Ed25519"], jwks={"keys": [public("acme-ed25519-two")]}))
    world("lifetime-120", acme(max_lifetime_s=120))
    world("lifetime-3600", acme(max_lifetime_s=3600))
    world("act-depth-2", top(limits={"max_act_depth": 2}))
    world("jti-of-32", top(limits={"max_jti_chars": 32}))
    world("assertion-of-1024", top(limits={"max_assertion_bytes": 1024}))
    world("everyone", grants(everyone(["chat.read", "chat.history"]), grant(["eng"], WIDE)))
    world("groups-in-a-path", acme(groups={"claim": ["realm_access", "roles"]}))
    world("groups-in-a-namespace", acme(groups={"claim": "https://chat.example/claims/groups"}))
    world("twenty-groups", grants(grant([f"group-{n:02}" for n in range(20)], ["chat.read"])))
    world("unicode-groups", grants(grant(["caf\u00e9"], ["chat.read"])))
    world("details", grants(
        grant(["eng"], ["chat.read"], authorization_details=["chat_channel"]),
        grant(["leads"], ["chat.read"], authorization_details=["chat_export"]),
    ))
    written = {"id": "https://client.example/written-down.json", "auth": "private_key_jwt", "connectors": ["chat"],
               "jwks": {"keys": [public("client-rs256")]}}
    documents = {"origins": ["https://client.example", "https://second.example"], "connectors": ["*"]}
    world("requests-documents", both(
        lambda w: w["clients"].extend([*every_way(), written]), top(client_documents={**documents, "auth": ["private_key_jwt", "none"]})))
    world("requests-documents-limited", both(
        lambda w: w["clients"].extend(every_way()), top(client_documents={**documents, "auth": ["private_key_jwt", "none"]}, limits={
            "auth_failures_per_minute": 3, "auth_failures_per_minute_per_peer": 5, "refusals_per_minute": 2})))
    world("requests-documents-keys", top(client_documents=documents))
    world("requests-tls", lambda w: w["clients"].extend([
        {"id": "client-tls-dn", "auth": "tls_client_auth", "subject_dn": r"CN=client-tls-dn,O=Acme\, Inc.,C=US", "connectors": ["chat"]},
        {"id": "client-tls-san", "auth": "tls_client_auth", "san_dns": "client.acme.example", "connectors": ["chat"]},
    ]))
    world("requests-details", both(lambda w: w["clients"].extend(every_way()), grants(
        grant(["eng"], ["chat.read", "chat.history"], authorization_details=["chat_channel", "chat_search"]),
        grant(["leads"], ["chat.read"], authorization_details=["chat_export"]),
    )))
    world("proof-for-everyone", chat(require=["dpop"]))
    world("email-on-request", top(tokens={"email": True}))
    world("tokens-es256", tokens("ES256", "token-es256"))
    world("tokens-rs256", tokens("RS256", "token-rs256"))
    world("tokens-hs256", tokens("HS256", "token-hs256"))
    world("tokens-rotated", tokens("EdDSA", "token-ed25519-next", "token-ed25519"))
    world("tokens-replaced", tokens("EdDSA", "token-ed25519-next"))
    world("eng-reads-only", grants(grant(["eng"], ["chat.read"])))
    world("eng-has-nothing", grants(grant(["leads"], WIDE)))
    world("okta", both(alone, acme(issuer="https://acme.okta.com"), grants(
        everyone(["chat.read", "chat.history"], issuer="https://acme.okta.com"))))
    world("okta-scopes", both(alone, acme(issuer="https://acme.okta.com"), lambda w: w["connectors"][0].update(
        scopes=["read", "write"], grants=[everyone(["read"], issuer="https://acme.okta.com")])))
    world("issuer-with-slash", both(alone, acme(issuer="https://acme.idp.example/"), grants(
        everyone(WIDE, issuer="https://acme.idp.example/"))))
    world("conformance", lambda w: (
        acme(algorithms=["ES256"], jwks={"keys": [public("acme-es256", kid=None, use=None)]})(w),
        grants(everyone(WIDE))(w)))
    world("todos", lambda w: (
        acme(issuer="https://idp.xaa.example")(w),
        w.update(clients=[client("client-at-todo0", connectors=["todos"])], connectors=[
            connector("todos", "https://api.todos.example/", ["todos.read"],
                      [everyone(["todos.read"], issuer="https://idp.xaa.example")])])))


def write() -> None:
    """Writes worlds/*.json and directories/*.json."""
    _all()
    for folder, table in (("worlds", worlds), ("directories", directories)):
        for name, value in table.items():
            (VECTORS / folder / f"{name}.json").write_text(json.dumps(value, indent=2) + "\n")
