"""Requests to the token endpoint, as bytes, and what comes back: `requests/NOUN.json`.

Everything that a request needs stands in it, signatures too, so that a runner only hands it over.
"""

import base64
import json
import urllib.parse

import keys
import sign
from names import ACME, CHAT, CLIENT, EXP, IAT, ISSUER, NOTES, NOW
from table import DROP, VECTORS, claims, header, merged

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM = ["Content-Type", "application/x-www-form-urlencoded"]
NO_STORE = {"content-type": "application/json", "cache-control": "no-store", "pragma": "no-cache"}
TOKEN_ENDPOINT = "https://auth.chat.example/token"
# No certificate of anybody: the digest is all that is looked at.
CERTIFICATE = b"test certificate of client-tls-self-signed"

cases: dict[str, dict] = {}
files: dict[str, list[dict]] = {}


def begin(noun: str) -> None:
    """What follows goes into `requests/NOUN.json`."""
    files[noun] = []


def assertion(client_id=CLIENT, **edits) -> str:
    """An ID-JAG for this client, signed with RS256, whose signatures draw no randomness."""
    text = sign.compact(claims(client_id=client_id, **edits))
    return sign.by_hand(sign.compact(header("RS256", "acme-rs256")), text, "RS256", "acme-rs256")


def client_assertion(client_id="client-jwt", *, head=None, key="client-rs256", alg="RS256", **edits) -> str:
    """A client's own JWT (RFC 7523 section 2.2)."""
    head = merged({"kid": keys.jwk(key)["kid"], "typ": "JWT", "alg": alg}, head)
    body = merged({"iss": client_id, "sub": client_id, "aud": ISSUER, "jti": "client-jti-1", "iat": IAT, "exp": EXP}, edits)
    return sign.by_hand(sign.compact(head), sign.compact(body), alg, key)


def basic(client_id: str, secret: str, scheme="Basic") -> list[str]:
    """The header of RFC 7617, both halves form-encoded (RFC 6749 section 2.3.1)."""
    pair = f"{urllib.parse.quote_plus(client_id)}:{urllib.parse.quote_plus(secret)}"
    return ["Authorization", f"{scheme} {base64.b64encode(pair.encode()).decode()}"]


def form(*pairs) -> str:
    """A body."""
    return urllib.parse.urlencode(pairs)


def usual(*more, client_id=CLIENT, **edits) -> str:
    """The body of a good request, but for the client's proof."""
    return form(("grant_type", GRANT), ("assertion", assertion(client_id, **edits)), *more)


def secret(client_id: str) -> str:
    """What the worlds keep the digest of."""
    return f"test-secret-{client_id}"


GOOD = [FORM, basic(CLIENT, secret(CLIENT))]


def case(name, origin, *, headers=None, body=None, control=None, differs=None, before=None, expect, **rest):
    """One case; `before` names earlier cases that are sent first, on the same engine."""
    if name in cases:
        raise SystemExit(f"{name}: twice")
    members = {
        "name": name, "origin": origin, "world": "requests", "now": NOW, "method": "POST", "target": "/token",
        "headers": GOOD if headers is None else headers, "body": usual() if body is None else body,
        **rest, "before": before, "control": control, "differs": differs, "expect": expect,
    }
    cases[name] = {k: v for k, v in members.items() if v is not None}
    files[list(files)[-1]].append(cases[name])


def token(name, origin, *, scope="chat.read", resource=CHAT, details=None, fetched=None, **rest):
    """A token comes back."""
    granted = {"scope": scope, "resource": resource, "authorization_details": details}
    granted = {k: v for k, v in granted.items() if v is not None}
    expect = {"status": 200, "headers": NO_STORE, "token": granted, "fetched": fetched}
    case(name, origin, expect={k: v for k, v in expect.items() if v is not None}, **rest)


def error(name, origin, status, code, slug, differs, *, control="basic", headers_out=None, absent=None, fetched=None, **rest):
    """An error comes back."""
    out = {**NO_STORE, **(headers_out or {})}
    expect = {"status": status, "headers": out, "error": code, "slug": slug, "absent": absent, "fetched": fetched}
    expect = {k: v for k, v in expect.items() if v is not None}
    case(name, origin, control=control, differs=differs, expect=expect, **rest)


def invalid_request(name, origin, slug, differs, **rest):
    error(name, origin, 400, "invalid_request", slug, differs, **rest)


def invalid_client(name, origin, slug, differs, *, basic_tried=False, **rest):
    challenge = {"www-authenticate": f'Basic realm="{ISSUER}"'}
    error(name, origin, 401, "invalid_client", slug, differs, headers_out=challenge if basic_tried else None,
          absent=None if basic_tried else ["www-authenticate"], **rest)


def _requests() -> None:
    token("basic", "row 8, 69; draft section 4.4")
    token("basic-with-the-same-client-id-in-the-form", "RFC 6749 section 2.3.1", body=usual(("client_id", CLIENT)))
    token("media-type-with-charset", "RFC 6749 appendix B",
          headers=[["content-type", "Application/x-www-form-urlencoded; charset=UTF-8"], GOOD[1]])
    token("scheme-in-small-letters", "RFC 9110 section 11.1", headers=[FORM, basic(CLIENT, secret(CLIENT), "basic")])
    token("unknown-parameter", "RFC 6749 section 3.2", body=usual(("made_up", "1")))
    token("empty-parameters-are-left-out", "RFC 6749 section 3.2", body=usual(("scope", ""), ("client_secret", ""), ("resource", "")))
    token("resource-of-the-assertion", "row 44, 47; RFC 8707 section 2", body=usual(("resource", CHAT)))
    token("scope-within", "row 49", body=usual(("scope", "chat.read"), scope="chat.read chat.history"))
    token("scope-not-asked", "EMA 7.2.1", body=usual(scope="chat.read chat.history"), scope="chat.read chat.history")
    for name, value in (("get", "GET"), ("put", "PUT"), ("small-letters", "post"), ("empty", "")):
        error(f"method-{name}", "RFC 6749 section 3.2", 405, "invalid_request", "method_not_allowed", "the method",
              method=value, headers_out={"allow": "POST"})
    for name, value in (("assertion", "/token?assertion=a.b.c"), ("client-secret", "/token?client_secret=s"),
                        ("anything", "/token?x"), ("empty", "/token?")):
        invalid_request(f"query-{name}", "row 5; EMA 7.3", "query_not_allowed", "a query", target=value)
    for name, headers in (("missing", []), ("json", [["Content-Type", "application/json"]]),
                          ("multipart", [["Content-Type", "multipart/form-data; boundary=x"]])):
        invalid_request(f"content-type-{name}", "RFC 6749 section 3.2", "content_type_invalid", "the media type",
                        headers=[*headers, GOOD[1]])
    for name in ("Content-Type", "Authorization", "DPoP"):
        value = {"Content-Type": FORM, "Authorization": GOOD[1], "DPoP": ["DPoP", "a.b.c"]}[name]
        extra = [value] if name != "DPoP" else [value, ["dpop", "a.b.c"]]
        invalid_request(f"header-{name.lower()}-twice", "RFC 9110 section 5.3; RFC 9449 section 4.3", "header_repeated",
                        f"`{name}` comes twice", headers=[*GOOD, *extra])
    error("body-too-large", "row 6", 413, "invalid_request", "body_too_large", "a longer body",
          body=[usual(("made_up", "")), {"repeat": "x", "times": 65536}])
    error("assertion-too-large", "row 6; BAJ S9", 400, "invalid_grant", "assertion_too_large", "a longer assertion",
          body=[form(("grant_type", GRANT), ("assertion", "")), {"repeat": "x", "times": 16385}])
    for name, pair in (("client-id", ("client_id", CLIENT)), ("scope", ("scope", "chat.read")), ("made-up", ("x", "y"))):
        invalid_request(f"parameter-{name}-twice", "row 4; RFC 6749 section 3.2", "parameter_repeated",
                        f"`{pair[0]}` comes twice", body=usual(pair, pair))
    invalid_request("parameter-assertion-twice", "row 4; RFC 6749 section 3.2", "parameter_repeated",
                    "`assertion` comes twice", body=usual(("assertion", "a.b.c")))
    invalid_request("parameter-twice-and-once-escaped", "row 4", "parameter_repeated", "`scope`, and `sc%6fpe`",
                    body=usual() + "&scope=chat.read&sc%6fpe=chat.read")
    for name, text in (("not-ascii", "é"), ("not-utf-8", "%ff"), ("half-a-character", "%c3"), ("surrogate", "%ed%a0%80")):
        invalid_request(f"form-{name}", "RFC 6749 appendix B", "form_malformed", "bytes that are no UTF-8, or not escaped",
                        body=usual() + f"&scope={text}")
    invalid_request("form-many-parameters", "spec: nothing without a bound", "form_malformed", "65 parameters",
                    body="&".join(f"p{at}=x" for at in range(65)))
    invalid_request("form-many-ampersands", "spec: nothing without a bound", "form_malformed", "64 ampersands behind it",
                    body=[usual(), {"repeat": "&", "times": 64}])
    token("form-some-ampersands", "RFC 6749 appendix B", body=[usual(), {"repeat": "&", "times": 62}])
    invalid_request("form-empty", "row 1", "grant_type_missing", "an empty body", body="")
    invalid_request("grant-type-missing", "row 1; RFC 6749 section 5.2", "grant_type_missing", "no `grant_type`",
                    body=form(("assertion", assertion())))
    invalid_request("grant-type-empty", "row 1; RFC 6749 section 3.2", "grant_type_missing", "`grant_type` is empty",
                    body=form(("grant_type", ""), ("assertion", assertion())))
    for name, value in (("authorization-code", "authorization_code"), ("client-credentials", "client_credentials"),
                        ("in-capitals", GRANT.upper()), ("refresh-token", "refresh_token"),
                        ("token-exchange", "urn:ietf:params:oauth:grant-type:token-exchange")):
        error(f"grant-type-{name}", "row 1; RFC 6749 section 5.2", 400, "unsupported_grant_type", "grant_type_unsupported",
              "another `grant_type`", body=form(("grant_type", value), ("assertion", assertion())))
    error("grant-type-without-an-idp", "row 2", 400, "unsupported_grant_type", "grant_type_unsupported", "no IdP is switched on",
          world="requests-without-idps")
    invalid_request("assertion-missing", "row 3", "assertion_missing", "no `assertion`", body=form(("grant_type", GRANT)))


def _clients() -> None:
    post = [FORM]
    for name, value in (("wrong", "test-secret-wrong"), ("empty", ""), ("another-clients", secret("client-post")),
                        ("with-a-space", secret(CLIENT) + " ")):
        invalid_client(f"basic-secret-{name}", "row 7", "client_secret_wrong", "the secret", basic_tried=True,
                       headers=[FORM, basic(CLIENT, value)])
    invalid_client("basic-client-unknown", "row 7", "client_unknown", "the client", basic_tried=True,
                   headers=[FORM, basic("nobody", "test-secret-nobody")])
    invalid_client("basic-client-switched-off", "attack 2", "client_disabled", "a client that is switched off", basic_tried=True,
                   headers=[FORM, basic("client-switched-off", secret("client-switched-off"))],
                   body=usual(client_id="client-switched-off"))
    for name, value in (("not-base64", "Basic !!!"), ("no-colon", "Basic YWJj"), ("nothing", "Basic"),
                        ("no-padding", GOOD[1][1].rstrip("=") + "x"), ("not-utf-8", "Basic " + base64.b64encode(b"a:%ff").decode())):
        invalid_client(f"basic-{name}", "row 7; RFC 7617", "client_auth_malformed", "the header", basic_tried=True,
                       headers=[FORM, ["Authorization", value]])
    for name, value in (("bearer", "Bearer abc"), ("dpop", "DPoP abc"), ("empty", "")):
        invalid_client(f"authorization-{name}", "row 7", "client_auth_malformed", "another scheme",
                       headers=[FORM, ["Authorization", value]])
    invalid_request("basic-and-another-client-id", "row 9; RFC 6749 section 2.3", "client_ids_differ",
                    "the form names another client", body=usual(("client_id", "client-post")))
    invalid_request("basic-and-post", "row 10; RFC 6749 section 2.3", "client_auth_ambiguous", "two proofs",
                    body=usual(("client_id", CLIENT), ("client_secret", secret(CLIENT))))
    invalid_client("post-for-a-basic-client", "interfaces: one way for each client", "client_auth_method_mismatch",
                   "the secret in the form", headers=post,
                   body=usual(("client_id", CLIENT), ("client_secret", secret(CLIENT))))
    invalid_client("nothing", "row 7", "client_auth_missing", "no proof and no client", headers=post)
    invalid_client("client-id-alone", "row 7, 13", "client_auth_missing", "no proof", headers=post, body=usual(("client_id", CLIENT)))
    token("rotating-old", "interfaces: two secrets while rotating", headers=[FORM, basic("client-rotating", "test-secret-old")],
          body=usual(client_id="client-rotating"))
    token("rotating-new", "interfaces: two secrets while rotating", headers=[FORM, basic("client-rotating", "test-secret-new")],
          body=usual(client_id="client-rotating"))
    token("basic-with-escapes", "RFC 6749 section 2.3.1", headers=[FORM, basic("client:with spaces+", "a%2b c:d+")],
          body=usual(client_id="client:with spaces+"))
    invalid_client("basic-decoded-twice", "RFC 6749 section 2.3.1", "client_secret_wrong", "a secret decoded once more",
                   basic_tried=True, control="basic-with-escapes", headers=[FORM, basic("client:with spaces+", "a+ c:d+")],
                   body=usual(client_id="client:with spaces+"))
    error("assertion-of-another-client", "row 31", 400, "invalid_grant", "client_mismatch", "the assertion is for another client",
          body=usual(client_id="client-post"))

    who = ("client_id", "client-post")
    token("post", "RFC 6749 section 2.3.1", headers=post, body=usual(who, ("client_secret", secret("client-post")), client_id="client-post"))
    invalid_client("post-secret-wrong", "row 7", "client_secret_wrong", "the secret", control="post", headers=post,
                   body=usual(who, ("client_secret", "test-secret-wrong"), client_id="client-post"))
    invalid_client("post-without-client-id", "row 7", "client_auth_malformed", "no `client_id`", control="post", headers=post,
                   body=usual(("client_secret", secret("client-post")), client_id="client-post"))
    invalid_client("basic-for-a-post-client", "interfaces: one way for each client", "client_auth_method_mismatch",
                   "the secret in the header", control="post", basic_tried=True,
                   headers=[FORM, basic("client-post", secret("client-post"))], body=usual(client_id="client-post"))

    token("public", "interfaces: none, written down", headers=post, body=usual(("client_id", "client-public"), client_id="client-public"))
    invalid_client("public-with-a-secret", "interfaces: one way for each client", "client_auth_method_mismatch", "a secret",
                   control="public", headers=post,
                   body=usual(("client_id", "client-public"), ("client_secret", "x"), client_id="client-public"))
    error("client-of-another-connector", "row 15", 400, "unauthorized_client", "client_connector_not_allowed",
          "a client of another connector", headers=[FORM, basic("client-for-notes", secret("client-for-notes"))],
          body=usual(client_id="client-for-notes"))

    tls = {"headers": post, "body": usual(("client_id", "client-tls"), client_id="client-tls"), "control": None}
    shown = CERTIFICATE.decode()
    token("tls-self-signed", "RFC 8705 section 2.2", certificate=shown, **tls)
    tls["control"] = "tls-self-signed"
    invalid_client("tls-no-certificate", "RFC 8705 section 2.2", "client_certificate_missing", "no certificate", **tls)
    invalid_client("tls-another-certificate", "RFC 8705 section 2.2", "client_certificate_unknown", "another certificate",
                   certificate=shown + "!", **tls)


def _client_assertions() -> None:
    def sent(jwt, *more, client_id="client-jwt", kind=ASSERTION_TYPE):
        pairs = [("client_assertion_type", kind)] if kind is not None else []
        return {"headers": [FORM], "body": usual(*pairs, ("client_assertion", jwt), *more, client_id=client_id)}

    token("jwt", "row 11; RFC 7523 section 2.2", **sent(client_assertion()))
    token("jwt-audience-array-of-one", "row 11; RFC 7523bis", **sent(client_assertion(aud=[ISSUER])))
    token("jwt-and-its-client-id", "RFC 7521 section 4.2", **sent(client_assertion(), ("client_id", "client-jwt")))
    token("jwt-typ-of-its-own", "RFC 7523bis", **sent(client_assertion(head={"typ": "client-authentication+jwt"})))
    token("jwt-without-typ", "RFC 7523 section 3", **sent(client_assertion(head={"typ": DROP})))
    token("jwt-without-iat", "RFC 7523 section 3", **sent(client_assertion(iat=DROP)))
    token("jwt-for-the-token-endpoint", "row 11; interfaces: assertion_audience",
          **sent(client_assertion("client-jwt-endpoint", aud=TOKEN_ENDPOINT), client_id="client-jwt-endpoint"))
    wrong = {"control": "jwt"}
    for name, value in (("token-endpoint", TOKEN_ENDPOINT), ("resource", CHAT), ("without-slash", ISSUER.rstrip("/"))):
        invalid_client(f"jwt-audience-{name}", "row 11; RFC 7523bis", "client_assertion_audience", "`aud`",
                       **wrong, **sent(client_assertion(aud=value)))
    invalid_client("jwt-audience-issuer-where-the-endpoint-is-asked", "row 11", "client_assertion_audience", "`aud`",
                   control="jwt-for-the-token-endpoint",
                   **sent(client_assertion("client-jwt-endpoint"), client_id="client-jwt-endpoint"))
    for name, edits in (
        ("audience-of-two", {"aud": [ISSUER, TOKEN_ENDPOINT]}), ("audience-missing", {"aud": DROP}),
        ("issuer-another", {"iss": "client-post"}), ("issuer-missing", {"iss": DROP}), ("subject-missing", {"sub": DROP}),
        ("exp-missing", {"exp": DROP}), ("exp-a-string", {"exp": str(EXP)}), ("jti-missing", {"jti": DROP}),
        ("jti-a-number", {"jti": 1}), ("nbf-a-string", {"nbf": "1"}), ("iat-a-string", {"iat": "1"}),
    ):
        invalid_client(f"jwt-{name}", "row 11; RFC 7523 section 3; CVE-2026-25537", "client_assertion_malformed", name,
                       **wrong, **sent(client_assertion(**edits)))
    for name, edits in (("expired", {"exp": NOW - 31}), ("for-years", {"exp": NOW + 3700}),
                        ("not-yet", {"nbf": NOW + 31}), ("from-the-future", {"iat": NOW + 31})):
        invalid_client(f"jwt-{name}", "RFC 7523 section 3", "client_assertion_time", name, **wrong, **sent(client_assertion(**edits)))
    for name, head in (("an-id-jag", {"typ": "oauth-id-jag+jwt"}), ("an-access-token", {"typ": "at+jwt"}),
                       ("typ-a-number", {"typ": 1}), ("crit", {"crit": ["exp"]}),
                       ("embedded-key", {"jwk": keys.public("client-rs256")})):
        invalid_client(f"jwt-{name}", "row 71; RFC 8725 section 3.11; attack 17", "client_assertion_malformed", name,
                       **wrong, **sent(client_assertion(head=head)))
    unsigned = sign.compact({"alg": "none", "typ": "JWT"})
    body = sign.compact({"iss": "client-jwt", "sub": "client-jwt", "aud": ISSUER, "jti": "j", "exp": EXP})
    invalid_client("jwt-unsigned", "attack 4, 18; RFC 8725 section 3.2", "client_assertion_malformed", "`alg` none",
                   **wrong, **sent(f"{keys.b64u(unsigned.encode())}.{keys.b64u(body.encode())}."))
    invalid_client("jwt-by-another-key", "RFC 7523 section 3", "client_assertion_signature", "another key",
                   **wrong, **sent(client_assertion(key="attacker-rs256", head={"kid": keys.jwk("client-rs256")["kid"]})))
    invalid_client("jwt-unknown-kid", "RFC 7523 section 3", "client_assertion_signature", "an unknown `kid`",
                   **wrong, **sent(client_assertion(head={"kid": "made-up"})))
    invalid_client("jwt-of-an-unknown-client", "row 7", "client_unknown", "an unknown client", **wrong,
                   **sent(client_assertion("nobody")))
    invalid_client("jwt-of-a-basic-client", "interfaces: one way for each client", "client_auth_method_mismatch",
                   "a client with a secret", **wrong, **sent(client_assertion(CLIENT), client_id=CLIENT))
    invalid_client("jwt-not-a-jwt", "RFC 7523 section 3", "client_assertion_malformed", "a text", **wrong, **sent("abc"))
    invalid_client("jwt-type-missing", "RFC 7521 section 4.2", "client_auth_malformed", "no type", **wrong,
                   **sent(client_assertion(), kind=None))
    invalid_client("jwt-type-saml", "RFC 7521 section 4.2", "client_auth_malformed", "another type", **wrong,
                   **sent(client_assertion(), kind="urn:ietf:params:oauth:client-assertion-type:saml2-bearer"))
    invalid_client("jwt-type-alone", "RFC 7521 section 4.2", "client_auth_malformed", "no assertion", **wrong, headers=[FORM],
                   body=usual(("client_assertion_type", ASSERTION_TYPE), client_id="client-jwt"))
    invalid_request("jwt-and-another-client-id", "row 9; RFC 7521 section 4.2", "client_ids_differ", "another `client_id`",
                    **wrong, **sent(client_assertion(), ("client_id", "client-post")))
    invalid_request("jwt-and-basic", "row 10; RFC 6749 section 2.3", "client_auth_ambiguous", "two proofs", control="jwt",
                    headers=GOOD, body=sent(client_assertion())["body"])
    invalid_client("jwt-again", "row 12; GHSA-3p3g-vpw6-4w66; attack 7", "client_assertion_replayed", "sent before",
                   **wrong, before=["jwt"], **sent(client_assertion()))
    invalid_client("jwt-spent-by-a-refusal", "Decided: always spent", "client_assertion_replayed", "sent before, and refused",
                   **wrong, before=["jwt-with-a-bad-id-jag"], **sent(client_assertion()))
    error("jwt-with-a-bad-id-jag", "Decided: always spent", 400, "invalid_grant", "expired", "an ID-JAG that has expired",
          control="jwt", headers=[FORM], body=form(
              ("grant_type", GRANT), ("assertion", assertion("client-jwt", exp=NOW - 31, iat=NOW - 300)),
              ("client_assertion_type", ASSERTION_TYPE), ("client_assertion", client_assertion())))
    token("jti-of-the-id-jag-is-another-name-space", "row 39; interfaces: own jti name space", before=["jwt-with-the-jti-of-an-id-jag"])
    error("jwt-with-the-jti-of-an-id-jag", "row 39", 400, "invalid_grant", "expired", "an ID-JAG that has expired", **wrong,
          headers=[FORM], body=form(
              ("grant_type", GRANT), ("assertion", assertion("client-jwt", exp=NOW - 31, iat=NOW - 300)),
              ("client_assertion_type", ASSERTION_TYPE), ("client_assertion", client_assertion(jti=claims()["jti"]))))


def _exchanges() -> None:
    """The exchange itself has its own table; here is that its answers arrive."""
    error("id-jag-again", "row 38, 78", 400, "invalid_grant", "replayed", "sent before", before=["basic"])
    token("id-jag-not-burned-by-a-refusal", "row 42", before=["scope-not-to-be-had"])
    error("scope-not-to-be-had", "row 50, 51", 400, "invalid_scope", "scope_not_available", "a scope that is not granted",
          body=usual(("scope", "chat.write")))
    error("scope-malformed", "row 51; RFC 6749 section 3.3", 400, "invalid_scope", "scope_request_malformed", "a quote in `scope`",
          body=usual(("scope", 'chat"read')))
    error("resource-another", "row 47; RFC 8707 section 2", 400, "invalid_target", "resource_not_in_assertion", "another `resource`",
          body=usual(("resource", NOTES)))
    error("resource-relative", "row 46; RFC 8707 section 2", 400, "invalid_target", "resource_request_malformed", "no URI",
          body=usual(("resource", "/relative")))
    error("resource-twice-one-another", "RFC 8707 section 2", 400, "invalid_target", "resource_not_in_assertion",
          "a second `resource`", body=usual(("resource", CHAT), ("resource", NOTES)))
    several = "requests-two-connectors"
    everything = [FORM, basic("client-for-everything", secret("client-for-everything"))]
    token("resource-several-in-the-assertion", "row 44; RFC 8707 section 2.2", world=several, body=usual(resource=[CHAT, NOTES]))
    token("resource-one-of-several", "row 44; RFC 8707 section 2.2", world=several, scope="notes.read", resource=NOTES, headers=everything,
          body=usual(("resource", NOTES), client_id="client-for-everything", resource=[CHAT, NOTES], scope=DROP))
    error("resource-one-of-several-and-one-that-is-not-served", "row 45; EMA 7.6.2", 400, "invalid_grant", "resource_unknown",
          "one more, which is not served", control="resource-several-in-the-assertion", world=several,
          body=usual(resource=[CHAT, NOTES, "https://mcp.other.example/"]))
    token("resource-absent", "row 48; EMA 5.1", body=usual(resource=DROP))
    error("resource-absent-where-there-are-several", "row 48; EMA 5.1", 400, "invalid_target", "resource_missing",
          "two connectors that are on", control="resource-absent", world=several, body=usual(resource=DROP))
    for name, value in (("a-number", 1), ("empty", []), ("relative", "/chat"), ("with-a-fragment", CHAT + "#x"), ("an-object", {})):
        error(f"resource-in-the-assertion-{name}", "row 46; PR #123; RFC 8707 section 2", 400, "invalid_grant", "resource_malformed",
              "`resource` of the assertion", body=usual(resource=value))
    unserved = usual(resource="https://mcp.other.example/")
    error("resource-not-served", "row 45; EMA 7.6.2", 400, "invalid_grant", "resource_unknown", "a resource of somebody else", body=unserved)
    error("resource-not-served-and-other-codes", "row 45; draft PR #123", 400, "invalid_target", "resource_unknown",
          "a resource of somebody else", world="requests-other-codes", body=unserved)
    token("scope-more-than-is-granted", "row 49, 50; RFC 6749 section 5.1", body=usual(("scope", "chat.read chat.write made.up")))
    error("scope-in-the-assertion-outside", "row 51; EMA 7.2.1", 400, "invalid_grant", "scope_outside_connector",
          "`scope` of the assertion", body=usual(scope="notes.read"))
    for name, edits in (("an-array", {"scope": ["chat.read"]}), ("a-number", {"scope": 1}), ("empty", {"scope": ""}),
                        ("as-scp", {"scope": DROP, "scp": "chat.read"})):
        error(f"scope-in-the-assertion-{name}", "row 52; RFC 8693 section 4.2", 400, "invalid_grant", "scope_malformed",
              "`scope` of the assertion", body=usual(**edits))
    error("group-missing", "row 53; draft PR #112", 400, "access_denied", "group_required", "other groups",
          body=usual(groups=["sales"]))
    error("group-missing-and-other-codes", "row 53; FastMCP", 400, "invalid_grant", "group_required", "other groups",
          world="requests-other-codes", body=usual(groups=["sales"]))
    error("connector-planned", "row 56", 400, "access_denied", "connector_not_enabled", "a connector that is not on",
          headers=[FORM], control="public", body=usual(("client_id", "client-public"), client_id="client-public", resource=NOTES))
    error("issuer-untrusted", "row 26, 73", 400, "invalid_grant", "issuer_untrusted", "another `iss`", body=usual(iss=f"{ACME}/"))
    error("bound-to-a-key", "row 63; draft section 8.6", 400, "invalid_grant", "proof_required", "`cnf` and no proof",
          body=usual(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}))
    error("encrypted", "row 68", 400, "invalid_grant", "assertion_encrypted", "five parts",
          body=form(("grant_type", GRANT), ("assertion", "a.b.c.d.e")))


def requests() -> None:
    """The token endpoint and its clients."""
    begin("token")
    for part in (_requests, _clients, _client_assertions, _exchanges):
        part()


def write() -> None:
    """Writes what was made."""
    for name, made in cases.items():
        refusal = "error" in made["expect"]
        control = cases.get(made.get("control", ""))
        if refusal and (control is None or not {"token", "answer"} & control["expect"].keys()):
            raise SystemExit(f"{name}: the control is no case that is answered")
        if made.get("token_of") not in [None, *made.get("before", [])]:
            raise SystemExit(f"{name}: `token_of` is not among `before`")
        if any(earlier not in cases for earlier in made.get("before", [])):
            raise SystemExit(f"{name}: `before` names a case that is not there")
    for noun, made in files.items():
        path = VECTORS / "requests" / f"{noun}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n")
