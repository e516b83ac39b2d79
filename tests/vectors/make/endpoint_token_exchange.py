"""Requests to the token endpoint of an identity provider, and what comes back: `idp/token_exchange.json`, `idp/worlds`."""

import json

import endpoint
import endpoint_dpop
import keys
import sign
import worlds
from endpoint import ASSERTION_TYPE, FORM, NO_STORE, basic, form, secret
from keys import public
from names import ACME, CHAT, CLIENT, FILES, GLOBEX, IAT, ISSUER, NOTES, NOW, SUB
from table import DROP, VECTORS, merged

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
TYPES = "urn:ietf:params:oauth:token-type:"
AGENT = "agent"
FILES_SERVER = "https://auth.files.example"
PLAIN_SERVER = "https://auth.plain.example"
CHAT_SCOPES = "chat.read chat.history chat.write"
EMAIL = "ada@acme.example"
AUTH_TIME = IAT - 60

cases: dict[str, dict] = {}


def _base() -> dict:
    """One issuer, a client of each kind, and four targets."""
    def client(name, **members):
        return {k: v for k, v in worlds.client(name, **members).items() if k != "connectors"}

    def target(audience, scopes, clients, **members):
        mapping = [{"id": here, "client_id": there} for here, there in clients.items()]
        return {"audience": audience, "scopes": scopes.split(), "clients": mapping, **members}

    return {
        "issuer": ACME,
        "tokens": {"algorithm": "EdDSA", "keys": ["../../keys/acme-ed25519.jwk"]},
        "clients": [
            client(AGENT),
            client("agent-post", auth="client_secret_post"),
            {"id": "agent-jwt", "auth": "private_key_jwt", "jwks": {"keys": [public("client-rs256")]}},
            {"id": "agent-public", "auth": "none"},
            client("agent-switched-off", enabled=False),
            client("agent-elsewhere"),
        ],
        "subject_tokens": [{"issuer": ACME, "jwks": {"keys": [public("acme-rs256"), public("acme-es256")]}}],
        "targets": [
            target(ISSUER, CHAT_SCOPES,
                   {AGENT: CLIENT, "agent-post": "client-post", "agent-jwt": "client-jwt", "agent-public": "client-public",
                    "agent-switched-off": "client-switched-off"},
                   resource=CHAT, groups=["eng", "leads"], claims=["email", "groups", "auth_time", "acr", "amr"]),
            target(ISSUER, "notes.read notes.write", {AGENT: CLIENT}, resource=[NOTES, FILES], groups=["eng"]),
            target(FILES_SERVER, "files.read", {AGENT: "agent-of-acme"}, resource=FILES, everyone=True, claims=["groups"]),
            target(PLAIN_SERVER, "plain", {AGENT: AGENT}, everyone=True),
        ],
    }


def _worlds() -> dict[str, dict]:
    def edited(**edits):
        return {**_base(), **edits}

    acme = _base()["subject_tokens"][0]
    two = edited(subject_tokens=[
        {**acme, "tenant": "acme"},
        {"issuer": GLOBEX, "jwks": {"keys": [public("globex-rs256")]}, "tenant": "globex"},
    ])
    for target in two["targets"]:
        target["issuer"] = ACME
    two["targets"][2]["issuer"] = GLOBEX
    return {
        "idp": _base(),
        "two-issuers": two,
        "switched-off": edited(subject_tokens=[{**acme, "enabled": False}]),
        "directory": edited(directory="../../directories/people.json", subject_tokens=[{**acme, "groups": {"directory": True}}]),
        "short": edited(subject_tokens=[{**acme, "max_age_s": 60}]),
        "limited": edited(limits={
            "auth_failures_per_minute": 3, "auth_failures_per_minute_per_peer": 5, "refusals_per_minute": 2}),
    }


def id_token(*, head=None, key="acme-rs256", alg="RS256", text=None, **edits) -> str:
    """An ID token for the agent, as Okta signs one: without `typ`."""
    head = merged({"kid": keys.jwk(key)["kid"], "alg": alg}, head)
    body = merged({
        "iss": ACME, "sub": SUB, "aud": AGENT, "iat": IAT, "exp": IAT + 3600, "nonce": "n-0S6_WzA2Mj",
        "auth_time": AUTH_TIME, "amr": ["mfa", "hwk"], "email": EMAIL, "groups": ["eng", "guests"],
    }, edits)
    return sign.by_hand(sign.compact(head), text or sign.compact(body), alg, key)


def body(*more, drop=(), **edits) -> str:
    """A good request but for the client's proof; `edits` are parameters, `drop` those left out."""
    parameters = {
        "grant_type": GRANT, "requested_token_type": TYPES + "id-jag", "audience": ISSUER, "resource": CHAT,
        "subject_token": None, "subject_token_type": TYPES + "id_token", **edits,
    }
    parameters["subject_token"] = edits.get("subject_token") or id_token()
    return form(*((k, v) for k, v in parameters.items() if k not in drop), *more)


def case(name, origin, *, headers=None, before=None, control=None, differs=None, expect, **rest):
    """One case."""
    if name in cases:
        raise SystemExit(f"{name}: twice")
    members = {
        "name": name, "origin": origin, "world": "idp", "now": NOW, "method": "POST", "target": "/token",
        "headers": [FORM, basic(AGENT, secret(AGENT))] if headers is None else headers, "body": body(),
        **rest, "before": before, "control": control, "differs": differs, "expect": expect,
    }
    cases[name] = {k: v for k, v in members.items() if v is not None}


def issued(name, origin, *, scope=CHAT_SCOPES, token=None, claims=None, aud=ISSUER, client_id=CLIENT, resource=CHAT, chat=True, **rest):
    """An ID-JAG comes back; `token` is the scope that our own server then grants for it."""
    expected = {"iss": ACME, "sub": SUB, "aud": aud, "client_id": client_id, "iat": NOW, "exp": NOW + 300, "scope": scope,
                "resource": resource}
    if chat:
        expected |= {"email": EMAIL, "groups": ["eng", "guests"], "auth_time": AUTH_TIME, "amr": ["mfa", "hwk"]}
    expect = {"status": 200, "headers": NO_STORE, "id_jag": merged(expected, claims)}
    if token:
        expect["token"] = {"scope": token, "resource": resource}
    case(name, origin, expect=expect, **rest)


def error(name, origin, status, code, slug, differs, *, control="agent", headers_out=None, absent=None, **rest):
    """An error comes back."""
    expect = {"status": status, "headers": {**NO_STORE, **(headers_out or {})}, "error": code, "slug": slug, "absent": absent}
    case(name, origin, control=control, differs=differs, expect={k: v for k, v in expect.items() if v is not None}, **rest)


def invalid_request(name, origin, slug, differs, **rest):
    error(name, origin, 400, "invalid_request", slug, differs, **rest)


def invalid_client(name, origin, slug, differs, *, basic_tried=False, **rest):
    challenge = {"www-authenticate": f'Basic realm="{ACME}"'}
    error(name, origin, 401, "invalid_client", slug, differs, headers_out=challenge if basic_tried else None,
          absent=None if basic_tried else ["www-authenticate"], **rest)


def invalid_target(name, origin, slug, differs, **rest):
    error(name, origin, 400, "invalid_target", slug, differs, **rest)


def denied(name, origin, slug, differs, **rest):
    error(name, origin, 400, "access_denied", slug, differs, **rest)


def _requests() -> None:
    granted = "chat.read chat.history"
    issued("agent", "draft section 4.3; RFC 8693 section 2.1", token=granted)
    issued("scope-within", "draft section 4.3.3", scope="chat.read", token="chat.read", body=body(scope="chat.read"))
    issued("scope-partly", "draft section 4.3.3: a subset", scope="chat.read", token="chat.read", body=body(scope="made.up chat.read"))
    issued("scope-empty-is-left-out", "RFC 6749 section 3.2", token=granted, body=body(scope=""))
    issued("unknown-parameter", "RFC 6749 section 3.2", token=granted, body=body(("made_up", "1")))
    issued("again", "an ID token is not spent", token=granted, before=["agent"])
    error("method-get", "RFC 6749 section 3.2", 405, "invalid_request", "method_not_allowed", "the method", method="GET",
          headers_out={"allow": "POST"})
    invalid_request("query", "EMA 7.3", "query_not_allowed", "a query", target="/token?subject_token=a.b.c")
    invalid_request("content-type-json", "RFC 6749 section 3.2", "content_type_invalid", "the media type",
                    headers=[["Content-Type", "application/json"], basic(AGENT, secret(AGENT))])
    error("body-too-large", "row 6", 413, "invalid_request", "body_too_large", "a longer body",
          body=[body(("made_up", "")), {"repeat": "x", "times": 65536}])
    invalid_request("form-not-utf-8", "RFC 6749 appendix B", "form_malformed", "bytes that are no UTF-8", body=body() + "&scope=%ff")
    for name, value in (("audience", PLAIN_SERVER), ("subject_token", "a.b.c"), ("scope", "chat.read"), ("grant_type", GRANT)):
        more = [(name, value)] if name != "scope" else [(name, value)] * 2
        invalid_request(f"{name.replace('_', '-')}-twice", "RFC 6749 section 3.2; RFC 8693 section 2.1 would allow two audiences",
                        "parameter_repeated", f"`{name}` comes twice", body=body(*more))
    invalid_request("grant-type-missing", "RFC 6749 section 5.2", "grant_type_missing", "no `grant_type`", body=body(drop=["grant_type"]))
    error("grant-type-jwt-bearer", "RFC 6749 section 5.2", 400, "unsupported_grant_type", "grant_type_unsupported",
          "the other server's `grant_type`", body=body(grant_type=endpoint.GRANT))
    invalid_request("requested-token-type-missing", "draft section 4.3", "requested_token_type_unsupported", "no type",
                    body=body(drop=["requested_token_type"]))
    for name in ("access_token", "jwt", "id_token", "ID-JAG"):
        invalid_request(f"requested-token-type-{name.lower().replace('_', '-')}", "draft section 4.3", "requested_token_type_unsupported",
                        "another type", body=body(requested_token_type=TYPES + name))
    invalid_request("subject-token-missing", "RFC 8693 section 2.1", "subject_token_missing", "no `subject_token`",
                    body=body(drop=["subject_token"]))
    invalid_request("subject-token-type-missing", "RFC 8693 section 2.1", "subject_token_type_unsupported", "no type",
                    body=body(drop=["subject_token_type"]))
    for name in ("saml2", "refresh_token", "access_token", "jwt", "id-jag"):
        invalid_request(f"subject-token-type-{name.replace('_', '-')}", "draft section 4.3; RFC 8693 section 3",
                        "subject_token_type_unsupported", "another type", body=body(subject_token_type=TYPES + name))
    invalid_request("actor-token", "draft section 8.5", "actor_token_not_supported", "an actor",
                    body=body(("actor_token", id_token()), ("actor_token_type", TYPES + "id_token")))
    invalid_request("actor-token-type-alone", "RFC 8693 section 2.1", "actor_token_not_supported", "the type of an actor",
                    body=body(("actor_token_type", TYPES + "id_token")))
    error("authorization-details", "RFC 9396 section 5: no type is known", 400, "invalid_authorization_details",
          "authorization_details_not_supported", "`authorization_details`", body=body(("authorization_details", "[]")))
    invalid_request("audience-missing", "draft section 4.3", "target_audience_missing", "no `audience`", body=body(drop=["audience"]))
    invalid_request("audience-empty", "RFC 6749 section 3.2", "target_audience_missing", "an empty `audience`", body=body(audience=""))


def _clients() -> None:
    granted = "chat.read chat.history"
    invalid_client("secret-wrong", "RFC 6749 section 2.3.1", "client_secret_wrong", "the secret", basic_tried=True,
                   headers=[FORM, basic(AGENT, "test-secret-wrong")])
    invalid_client("client-unknown", "RFC 6749 section 5.2", "client_unknown", "the client", basic_tried=True,
                   headers=[FORM, basic(CLIENT, secret(CLIENT))])
    invalid_client("client-switched-off", "RFC 6749 section 5.2", "client_disabled", "a client that is switched off",
                   basic_tried=True, headers=[FORM, basic("agent-switched-off", secret("agent-switched-off"))],
                   body=body(subject_token=id_token(aud="agent-switched-off")))
    invalid_client("no-proof", "draft section 8.1", "client_auth_missing", "no proof", headers=[FORM], body=body(("client_id", AGENT)))
    invalid_client("nobody", "draft section 8.1", "client_auth_missing", "no client", headers=[FORM])
    invalid_client("post-for-a-basic-client", "one way for each client", "client_auth_method_mismatch", "the secret in the form",
                   headers=[FORM], body=body(("client_id", AGENT), ("client_secret", secret(AGENT))))
    who = [("client_id", "agent-post"), ("client_secret", secret("agent-post"))]
    issued("post", "RFC 6749 section 2.3.1; draft section 5", client_id="client-post", token=granted, headers=[FORM],
           body=body(*who, subject_token=id_token(aud="agent-post")))
    invalid_request("post-with-the-token-of-another-client", "draft section 4.3.3", "subject_token_audience",
                    "the ID token of another client", control="post", headers=[FORM], body=body(*who))
    issued("public", "draft section 8.1: written down", client_id="client-public", token=granted, headers=[FORM],
           body=body(("client_id", "agent-public"), subject_token=id_token(aud="agent-public")))

    def sent(**edits):
        jwt = endpoint.client_assertion("agent-jwt", **{"aud": ACME, **edits})
        return {"headers": [FORM], "body": body(("client_assertion_type", ASSERTION_TYPE), ("client_assertion", jwt),
                                                subject_token=id_token(aud="agent-jwt"))}

    issued("jwt", "draft section 4.3.1; RFC 7523 section 2.2", client_id="client-jwt", token=granted, **sent())
    for name, value in (("token-endpoint", ACME + "/token"), ("resource-server", ISSUER)):
        invalid_client(f"jwt-audience-{name}", "RFC 7523bis", "client_assertion_audience", "`aud`", control="jwt", **sent(aud=value))
    invalid_client("jwt-again", "RFC 7523 section 3", "client_assertion_replayed", "sent before", control="jwt", before=["jwt"], **sent())
    invalid_client("jwt-expired", "RFC 7523 section 3", "client_assertion_time", "an old assertion", control="jwt", **sent(exp=NOW - 31))


def _subject_tokens() -> None:
    granted = "chat.read chat.history"

    def sent(text=None, **edits):
        return {"body": body(subject_token=text if text is not None else id_token(**edits))}

    issued("typ-jwt", "RFC 7519 section 5.1", token=granted, **sent(head={"typ": "JWT"}))
    issued("kid-missing", "RFC 7515 section 4.1.4: one key fits", token=granted, **sent(head={"kid": DROP}))
    issued("aud-array-of-one", "OIDC Core section 2", token=granted, **sent(aud=[AGENT]))
    issued("azp-the-client", "OIDC Core section 3.1.3.7", token=granted, **sent(azp=AGENT))
    issued("expired-within-leeway", "RFC 7519 section 4.1.4", token=granted, **sent(exp=NOW - 29))
    issued("nbf-past", "RFC 7519 section 4.1.5", token=granted, **sent(nbf=IAT))
    issued("email-missing", "OIDC Core section 5.1", claims={"email": DROP}, token=granted, **sent(email=DROP))
    issued("email-verified", "OIDC Core section 5.1", token=granted, **sent(email_verified=True))
    for name, value in (("false", False), ("a-string", "true")):
        issued(f"email-verified-{name}", "an address that nobody has verified stays behind", claims={"email": DROP}, token=granted,
               **sent(email_verified=value))
    issued("acr", "draft section 3.1", claims={"acr": "phr", "amr": DROP}, token=granted, **sent(acr="phr", amr=DROP))
    issued("another-claim-stays-behind", "nothing is copied that is not written down", token=granted, **sent(act={"sub": "x"}, nonce="y", roles=["z"]))

    wrong = lambda name, slug, differs, origin="OIDC Core section 3.1.3.7", **rest: invalid_request(  # noqa: E731
        f"id-token-{name}", origin, slug, differs, **rest)
    for name, text in (("text", "abc"), ("encrypted", "a.b.c.d.e"), ("not-base64url", "a=.b.c"), ("empty-parts", "..")):
        wrong(name, "subject_token_malformed", "no JWS", "RFC 7515 section 7.1", **sent(text))
    wrong("too-large", "subject_token_malformed", "a longer token", "nothing without a bound",
          body=[body(drop=["subject_token"]) + "&subject_token=", {"repeat": "x", "times": 16385}])
    twice = sign.compact({"iss": ACME, "sub": SUB, "aud": AGENT, "iat": IAT, "exp": IAT + 3600})[:-1] + ',"sub":"root"}'
    wrong("claim-twice", "subject_token_malformed", "`sub` stands twice", "RFC 8725 section 2.4", **sent(text=id_token(text=twice)))
    for name, typ in (("id-jag", "oauth-id-jag+jwt"), ("access-token", "at+jwt"), ("logout-token", "logout+jwt"),
                      ("client-assertion", "client-authentication+jwt"), ("typ-a-number", 1), ("typ-in-small-letters", "jwt")):
        wrong(f"is-{name}" if "typ" not in name else name, "subject_token_not_id_token", "`typ`", "RFC 8725 section 3.11",
              **sent(head={"typ": typ}))
    for name, head in (("crit", {"crit": ["exp"]}), ("embedded-key", {"jwk": public("acme-rs256")}), ("jku", {"jku": "https://x.example"})):
        wrong(name, "subject_token_malformed", name, "RFC 8725 section 3.10", **sent(head=head))
    unsigned = sign.compact({"alg": "none"})
    claims = sign.compact({"iss": ACME, "sub": SUB, "aud": AGENT, "iat": IAT, "exp": IAT + 3600, "groups": ["eng"]})
    wrong("unsigned", "subject_token_alg_not_allowed", "`alg` none", "RFC 8725 section 3.1; OIDC Core section 2",
          **sent(f"{keys.b64u(unsigned.encode())}.{keys.b64u(claims.encode())}."))
    wrong("alg-not-listed", "subject_token_alg_not_allowed", "RS384", "RFC 8725 section 3.1",
          **sent(id_token(alg="RS384", head={"alg": "RS384"})))
    wrong("symmetric", "subject_token_alg_not_allowed", "HS256", "RFC 8725 section 2.1",
          **sent(id_token(alg="HS256", key="token-hs256", head={"kid": "test-acme-rs256"})))
    for name, value in (("another", GLOBEX), ("with-a-slash", ACME + "/"), ("in-capitals", ACME.upper())):
        wrong(f"issuer-{name}", "subject_token_issuer_untrusted", "`iss`", **sent(iss=value))
    wrong("issuer-switched-off", "subject_token_issuer_untrusted", "an issuer that is switched off", world="switched-off")
    for name, edits in (
        ("iss-missing", {"iss": DROP}), ("sub-missing", {"sub": DROP}), ("sub-empty", {"sub": ""}), ("sub-a-number", {"sub": 1}),
        ("exp-missing", {"exp": DROP}), ("exp-a-string", {"exp": str(IAT + 3600)}), ("iat-missing", {"iat": DROP}),
        ("nbf-a-string", {"nbf": "1"}), ("groups-a-number", {"groups": 1}), ("tenant-a-number", {"tenant": 1}),
    ):
        wrong(name, "subject_token_malformed", name, "OIDC Core section 2", **sent(**edits))
    for name, edits in (
        ("another-client", {"aud": "agent-post"}), ("the-client-there", {"aud": CLIENT}), ("the-server", {"aud": ISSUER}),
        ("missing", {"aud": DROP}), ("empty-array", {"aud": []}), ("two", {"aud": [AGENT, "agent-post"]}),
        ("two-and-azp", {"aud": [AGENT, "agent-post"], "azp": AGENT}),
    ):
        wrong(f"aud-{name}", "subject_token_audience", "`aud`", "draft section 4.3.3", **sent(**edits))
    for name, value in (("another", "agent-post"), ("a-list", [AGENT]), ("null", None)):
        wrong(f"azp-{name}", "subject_token_audience", "`azp`", **sent(azp=value))
    for name, edits in (("expired", {"exp": NOW - 30}), ("from-the-future", {"iat": NOW + 31}), ("not-yet-valid", {"nbf": NOW + 31}),
                        ("too-old", {"iat": NOW - 3631})):
        wrong(name, "subject_token_time", name, **sent(**edits))
    issued("old", "interfaces: max_age_s", token=granted, **sent(iat=NOW - 3630))
    wrong("too-old-for-this-issuer", "subject_token_time", "an age of 91 s", "max_age_s", control="young-for-this-issuer", world="short",
          **sent(iat=NOW - 91))
    issued("young-for-this-issuer", "max_age_s", world="short", token=granted, **sent(iat=NOW - 90))
    wrong("tenant", "subject_token_tenant", "a tenant, where the issuer has none", "draft section 6", **sent(tenant="acme"))
    for name, token in (
        ("signed-by-another-key", id_token(key="attacker-rs256", head={"kid": keys.jwk("acme-rs256")["kid"]})),
        ("unknown-kid", id_token(head={"kid": "made-up"})),
        ("kid-of-another-alg", id_token(head={"kid": keys.jwk("acme-es256")["kid"]})),
        ("cut-signature", id_token()[:-2]),
    ):
        wrong(name, "subject_token_signature", "the signature, or which key made it", "RFC 7515 section 5.2", **sent(token))
    other = id_token(sub="root").split(".")[1].join((lambda parts: (parts[0] + ".", "." + parts[2]))(id_token().split(".")))
    wrong("signature-of-another", "subject_token_signature", "other claims under the same signature", "RFC 7515 section 5.2", **sent(other))


def _targets() -> None:
    files = {"aud": FILES_SERVER, "client_id": "agent-of-acme", "scope": "files.read", "resource": FILES, "chat": False}
    listed = {"groups": ["eng", "guests"]}
    issued("resource-implied", "draft section 4.3: `resource` is optional", claims=listed, **files,
           body=body(audience=FILES_SERVER, drop=["resource"]))
    issued("resource-named", "RFC 8707 section 2", claims=listed, **files, body=body(audience=FILES_SERVER, resource=FILES))
    issued("everyone", "everyone = true", **files, body=body(audience=FILES_SERVER, resource=FILES, subject_token=id_token(groups=DROP)),
           claims={"groups": []})
    issued("everyone-overage", "unknown groups are told as unknown", claims={"hasgroups": True}, **files,
           body=body(audience=FILES_SERVER, resource=FILES, subject_token=id_token(groups=DROP, _claim_names={"groups": "src1"})))
    issued("server-without-resources", "draft section 4.3: `resource` is optional", aud=PLAIN_SERVER, client_id=AGENT, scope="plain",
           resource=DROP, chat=False, body=body(audience=PLAIN_SERVER, drop=["resource"]))
    notes = {"scope": "notes.read notes.write", "chat": False}
    issued("two-resources", "RFC 8707 section 2", resource=[NOTES, FILES], **notes, body=body(("resource", FILES), ("resource", NOTES), drop=["resource"]))
    issued("one-of-two-resources", "RFC 8707 section 2", resource=NOTES, **notes, body=body(resource=NOTES))
    issued("resource-twice-the-same", "RFC 8707 section 2", token="chat.read chat.history", body=body(("resource", CHAT)))
    issued("another-group", "any of the groups", claims={"groups": ["leads"]}, token=CHAT_SCOPES,
           body=body(subject_token=id_token(groups=["leads"])))
    issued("group-as-a-string", "a list of one", claims={"groups": ["eng"]}, token="chat.read chat.history",
           body=body(subject_token=id_token(groups="eng")))

    for name, value in (("unknown", "https://auth.other.example/"), ("without-slash", ISSUER.rstrip("/")), ("the-resource", CHAT),
                        ("in-capitals", ISSUER.upper()), ("a-urn", "urn:example:chat"), ("the-idp-itself", ACME)):
        invalid_target(f"audience-{name}", "draft section 4.3; RFC 8693 section 2.2.2", "target_unknown", "`audience`", body=body(audience=value))
    for name, value in (("unknown", "https://mcp.other.example/"), ("without-slash", CHAT.rstrip("/")), ("relative", "/chat"),
                        ("deeper", CHAT + "x")):
        invalid_target(f"resource-{name}", "RFC 8707 section 2", "target_unknown", "`resource`", body=body(resource=value))
    invalid_target("resource-of-another-audience", "pairs", "target_unknown", "the resource of another audience",
                   control="resource-named", body=body(audience=FILES_SERVER))
    invalid_target("resources-of-two-targets", "one ID-JAG, one target", "target_unknown", "resources of two targets",
                   body=body(("resource", NOTES)))
    invalid_target("resource-where-there-is-none", "pairs", "target_unknown", "a resource", control="server-without-resources",
                   body=body(audience=PLAIN_SERVER))
    invalid_target("resource-missing", "draft section 4.3", "target_resource_missing", "no resource, and there are several",
                   body=body(drop=["resource"]))
    invalid_target("client-not-mapped", "draft section 5", "target_client_not_mapped", "a client that is not in the table",
                   headers=[FORM, basic("agent-elsewhere", secret("agent-elsewhere"))],
                   body=body(subject_token=id_token(aud="agent-elsewhere")))
    for name, groups in (("another", ["guests"]), ("in-capitals", ["ENG"]), ("none", []), ("longer", ["eng-mobile"])):
        denied(f"group-{name}", "draft section 4.3.3", "target_group_required", "the groups", body=body(subject_token=id_token(groups=groups)))
    denied("groups-missing", "draft section 4.3.3", "target_group_required", "no groups", body=body(subject_token=id_token(groups=DROP)))
    denied("groups-overage", "unknown is not a yes", "groups_overage", "groups that did not fit",
           body=body(subject_token=id_token(groups=DROP, hasgroups=True)))
    error("scope-not-to-be-had", "draft section 4.3.3", 400, "invalid_scope", "scope_not_available", "another scope", body=body(scope="notes.read"))
    error("scope-malformed", "RFC 6749 section 3.3", 400, "invalid_scope", "scope_request_malformed", "a quote", body=body(scope='chat"read'))

    both = {"world": "two-issuers"}
    globex = {"iss": GLOBEX, "key": "globex-rs256"}
    issued("tenant-of-the-issuer", "draft section 6", claims={"tenant": "acme"}, **both)
    issued("tenant-said", "draft section 6", claims={"tenant": "acme"}, body=body(subject_token=id_token(tenant="acme")), **both)
    issued("tenant-of-the-other-issuer", "draft section 6: the same `sub`, somebody else", claims={"tenant": "globex", **listed}, **files, **both,
           body=body(audience=FILES_SERVER, resource=FILES, subject_token=id_token(**globex)))
    invalid_request("tenant-of-another-issuer", "draft section 6", "subject_token_tenant", "the other's tenant", control="tenant-said",
                    body=body(subject_token=id_token(tenant="globex")), **both)
    invalid_request("key-of-another-issuer", "OIDC Core section 3.1.3.7", "subject_token_signature", "the other issuer's key",
                    control="tenant-of-the-issuer", body=body(subject_token=id_token(key="globex-rs256")), **both)
    denied("people-of-another-issuer", "a group belongs to its issuer", "target_group_required", "somebody of the other issuer",
           control="tenant-of-the-issuer", body=body(subject_token=id_token(**globex)), **both)


def _directory() -> None:
    """`people.json` lists who counts; what the ID token says of groups does not."""
    people = {person["subject"]: person for person in worlds.directories["people"]["people"]
              if person["issuer"] == ACME and "tenant" not in person}
    active = next(s for s, p in people.items() if p.get("active", True) and "eng" in p["groups"])
    inactive = next(s for s, p in people.items() if not p.get("active", True))
    world = {"world": "directory"}
    issued("listed", "a directory", claims={"sub": active, "groups": people[active]["groups"]},
           body=body(subject_token=id_token(sub=active, groups=["guests"])), **world)
    denied("not-listed", "a directory", "subject_unknown", "nobody in the directory", control="listed",
           body=body(subject_token=id_token(sub="nobody")), **world)
    denied("listed-and-switched-off", "a directory", "subject_disabled", "somebody who has left", control="listed",
           body=body(subject_token=id_token(sub=inactive)), **world)


def proof(**edits) -> str:
    """A proof for the token endpoint of the identity provider."""
    return endpoint_dpop.proof(**{"htu": ACME + "/token", **edits})


def _proofs() -> None:
    """DPoP (draft section 8.6.1.1; RFC 9449 section 4.3)."""
    section = "draft section 8.6.1.1"
    good = [FORM, basic(AGENT, secret(AGENT))]

    def sent(*texts):
        return {"headers": [*good, *(["DPoP", text] for text in texts)]}

    def bound(name, origin, key=endpoint_dpop.KEY, claims=None, **rest):
        issued(name, origin, claims={"cnf": {"jkt": endpoint_dpop.thumbprint(key)}, **(claims or {})}, **rest)

    def bad(name, origin, slug, differs, **rest):
        error(name, origin, 400, "invalid_dpop_proof", slug, differs, control="proof", **rest)

    bound("proof", section, **sent(proof()))
    bound("proof-rs256", "RFC 9449 section 4.2", key="client-rs256", **sent(proof(key="client-rs256", alg="RS256")))
    bound("proof-with-a-nonce", "RFC 9449 section 4.2: nobody asked", **sent(proof(nonce="n")))
    bound("proof-of-a-public-client", section, client_id="client-public", headers=[FORM, ["DPoP", proof()]],
          body=body(("client_id", "agent-public"), subject_token=id_token(aud="agent-public")))
    bound("proof-for-a-server-without-resources", section, aud=PLAIN_SERVER, client_id=AGENT, scope="plain", claims={"resource": DROP},
          chat=False, body=body(audience=PLAIN_SERVER, drop=["resource"]), **sent(proof()))
    bound("proof-as-early-as-the-start", "RFC 9449 section 11.1", **sent(proof(iat=NOW - 30)))
    bound("proof-as-late-as-the-leeway", "RFC 9449 section 11.1", **sent(proof(iat=NOW + 30)))
    invalid_request("proof-twice", "RFC 9449 section 4.3", "header_repeated", "two proofs", control="proof", **sent(proof(), proof()))
    for name, text in (("empty", ""), ("no-jwt", "a.b.c"), ("without-jti", proof(jti=DROP))):
        bad(f"proof-{name}", "RFC 9449 section 4.3", "dpop_malformed", "no proof", **sent(text))
    for name, head in (("typ-jwt", {"typ": "JWT"}), ("without-key", {"jwk": DROP}), ("unsigned", {"alg": "none"})):
        bad(f"proof-{name}", "RFC 9449 section 4.3", "dpop_header_invalid", "its header", **sent(proof(head=head)))
    bad("proof-private-key", "RFC 9449 section 4.3", "dpop_key_invalid", "its private key is in it", **sent(proof(head={
        "jwk": {k: v for k, v in keys.jwk(endpoint_dpop.KEY).items() if k in ("kty", "crv", "x", "d")}})))
    bad("proof-by-another-key", "RFC 9449 section 4.3", "dpop_signature_invalid", "signed by another key than `jwk`",
        **sent(proof(key=endpoint_dpop.OTHER, head={"jwk": endpoint_dpop.bare(endpoint_dpop.KEY)})))
    bad("proof-htm-get", section, "dpop_method_mismatch", "`htm`", **sent(proof(htm="GET")))
    for name, htu in (("the-server", endpoint.TOKEN_ENDPOINT), ("the-issuer", ACME), ("deeper", ACME + "/token/x")):
        bad(f"proof-htu-{name}", section, "dpop_url_mismatch", "`htu`", **sent(proof(htu=htu)))
    for name, iat in (("from-before-the-start", NOW - 31), ("from-the-future", NOW + 31)):
        bad(f"proof-{name}", "RFC 9449 section 11.1", "dpop_time_invalid", "`iat`", **sent(proof(iat=iat)))
    # Single use, and who spends it.
    bad("proof-again", "RFC 9449 section 11.1", "dpop_replayed", "sent before", before=["proof"], **sent(proof()))
    bound("proof-another", "RFC 9449 section 11.1", before=["proof"], **sent(proof(jti="dpop-jti-2")))
    bound("proof-of-another-key-same-jti", "RFC 9449 section 11.1", key="client-rs256", before=["proof"],
          **sent(proof(key="client-rs256", alg="RS256")))
    denied("proof-and-another-group", "draft section 4.3.3", "target_group_required", "the groups", control="proof",
           body=body(subject_token=id_token(groups=["guests"])), **sent(proof()))
    bound("proof-after-a-refusal", "a refusal spends no proof", before=["proof-and-another-group"], **sent(proof()))
    invalid_client("proof-and-wrong-secret", "the client first", "client_secret_wrong", "the secret, and a bad proof", basic_tried=True,
                   control="proof", headers=[FORM, basic(AGENT, "test-secret-wrong"), ["DPoP", "a.b.c"]])
    bad("proof-bad-and-bad-id-token", "the proof before the ID token", "dpop_malformed", "a bad proof, and a bad ID token",
        body=body(subject_token="a.b.c"), **sent("a.b.c"))


def _limits() -> None:
    """What comes too often: 3 failures a minute of a peer with a client, 5 of a peer, 2 refusals of a client."""
    row = "row 75; EMA 7.5.1"
    world = {"world": "limited", "peer": "192.0.2.1"}
    wrong = [FORM, basic(AGENT, "test-secret-wrong")]

    def too_many(name, slug, differs, wait, **rest):
        error(name, row, 429, "temporarily_unavailable", slug, differs, control="limits-right", headers_out={"retry-after": str(wait)},
              absent=["www-authenticate"], **{**world, **rest})

    issued("limits-right", row, **world)
    invalid_client("limits-wrong", row, "client_secret_wrong", "a wrong secret", basic_tried=True, control="limits-right",
                   headers=wrong, **world)
    issued("limits-right-after-two", row, before=["limits-wrong"] * 2, **world)
    for name, headers in (("right", None), ("wrong", wrong)):
        too_many(f"limits-{name}-after-three", "too_many_failures", "three failures before", 20, before=["limits-wrong"] * 3, headers=headers)
    issued("limits-of-another-peer", row, before=["limits-wrong"] * 3, **{**world, "peer": "192.0.2.2"})
    issued("limits-without-a-peer", row, before=["limits-wrong"] * 3, world="limited")
    issued("limits-20-seconds-later", row, before=["limits-wrong"] * 3, claims={"iat": NOW + 20, "exp": NOW + 320}, now=NOW + 20, **world)
    invalid_client("limits-unknown", row, "client_unknown", "an unknown client", basic_tried=True, control="limits-right",
                   headers=[FORM, basic("nobody", "x")], **world)
    too_many("limits-five-of-a-peer", "too_many_failures", "five failures before", 12, before=[*["limits-wrong"] * 3, *["limits-unknown"] * 2],
             headers=[FORM], body=body(("client_id", "agent-public"), subject_token=id_token(aud="agent-public")))
    denied("limits-refused", row, "target_group_required", "the groups", control="limits-right", body=body(subject_token=id_token(groups=[])), **world)
    two = ["limits-refused"] * 2
    too_many("limits-refused-thrice", "too_many_refusals", "two refusals before", 30, before=two, body=body(subject_token=id_token(groups=[])))
    too_many("limits-bad-proof-after-two", "too_many_refusals", "a bad proof, after two refusals", 30, before=two,
             headers=[FORM, basic(AGENT, secret(AGENT)), ["DPoP", "a.b.c"]])
    issued("limits-right-after-refusals", row, before=[*two, "limits-refused-thrice"], **world)


def requests() -> None:
    """Makes them and writes them."""
    cases.clear()
    for part in (_requests, _clients, _subject_tokens, _targets, _directory, _proofs, _limits):
        part()
    for name, made in cases.items():
        refusal = "error" in made["expect"]
        control = cases.get(made.get("control", ""))
        if refusal and (control is None or "id_jag" not in control["expect"]):
            raise SystemExit(f"{name}: the control is no case with an ID-JAG")
    folder = VECTORS / "idp"
    (folder / "worlds").mkdir(parents=True, exist_ok=True)
    for name, world in _worlds().items():
        (folder / "worlds" / f"{name}.json").write_text(json.dumps(world, indent=2) + "\n")
    (folder / "token_exchange.json").write_text(json.dumps(list(cases.values()), indent=2, ensure_ascii=False) + "\n")
