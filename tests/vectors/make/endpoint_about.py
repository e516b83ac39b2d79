"""Requests about a token: revocation (RFC 7009) and introspection (RFC 7662).

`token_of` names an earlier request of the case, whose token is asked about: it goes to the end of the body.
"""

import hashlib

import endpoint
import keys
from endpoint import (
    ASSERTION_TYPE, CLIENT, FORM, GOOD, NO_STORE, assertion, basic, case, client_assertion, error, form, invalid_client, secret, usual,
)
from names import ACME, CHAT, ISSUER, NOW
from table import DROP, SUB

WORLD = "requests-introspected"
EVERYTHING = [FORM, basic("client-for-everything", secret("client-for-everything"))]
HINT = form(("token_type_hint", "access_token"))


def body(*more) -> str:
    """One to whose end a token can be put."""
    return form(*more, ("token", ""))


def active(**edits) -> dict:
    """What is told of the token of a usual request; an edit to DROP takes a member away."""
    members = {
        "active": True, "iss": ISSUER, "sub": SUB, "aud": CHAT, "client_id": CLIENT, "scope": "chat.read",
        "token_type": "Bearer", "iat": NOW, "exp": NOW + 3600, "idp": ACME, "groups": ["eng"], **edits,
    }
    return {k: v for k, v in members.items() if v is not DROP}


def answer(name, origin, told, *, text=None, about="basic", before=None, **rest):
    """200, and `told`: of a revocation nothing."""
    headers = NO_STORE if told else {"cache-control": "no-store"}
    case(name, origin, body=body() if text is None else text, token_of=about, before=before or ([about] if about else None),
         expect={"status": 200, "headers": headers, "answer": told}, **{"world": WORLD, **rest})


def _introspection() -> None:
    origin = "RFC 7662 section 2"

    def told(name, members, why=origin, **rest):
        answer(f"introspect-{name}", why, members, **{"endpoint": "introspect", "target": "/introspect", "headers": EVERYTHING, **rest})

    def inactive(name, why=f"{origin}.2", **rest):
        told(name, {"active": False}, why, **rest)

    told("listed", active())
    told("with-a-hint", active(), text=f"{HINT}&token=")
    told("until-it-expires", active(), now=NOW + 3599)
    told("with-an-actor", active(act={"sub": "wlp1a2b3c4d5e6f7g8h9"}), about="about-with-an-actor", before=["about-with-an-actor"])
    told("bound-to-a-certificate", active(client_id="client-public", cnf={"x5t#S256": thumbprint()}),
         about="about-bound-to-a-certificate", before=["about-bound-to-a-certificate"])
    # Whoever is not listed learns nothing, the token's own client neither.
    inactive("of-its-own-client", headers=GOOD)
    inactive("not-listed", headers=[FORM], text=body(("client_id", "client-post"), ("client_secret", secret("client-post"))))
    inactive("where-nobody-is-listed", world="requests")
    inactive("expired", now=NOW + 3600)
    inactive("garbage", about=None, text=form(("token", "a.b.c")))
    inactive("id-jag", "row 71", about=None, text=form(("token", assertion())))
    inactive("revoked", "row 72", before=["basic", "revoke-own"])
    inactive("revoked-elsewhere", "row 72", before=["basic", "revoke-own"], now=NOW + 1)

    def refused(name, status, code, slug, differs, *, why=origin, **rest):
        error(f"introspect-{name}", why, status, code, slug, differs, **{
            "endpoint": "introspect", "target": "/introspect", "headers": EVERYTHING, "world": WORLD, "body": body(),
            "token_of": "basic", "before": ["basic"], "control": "introspect-listed", **rest})

    _refusals(refused, "introspect", EVERYTHING)


def _revocation() -> None:
    origin = "RFC 7009 section 2"

    def done(name, why=origin, **rest):
        answer(f"revoke-{name}", why, {}, **{"endpoint": "revoke", "target": "/revoke", "headers": GOOD, **rest})

    done("own")
    done("own-twice", f"{origin}.2", before=["basic", "revoke-own"])
    done("with-a-hint", f"{origin}.1", text=f"{HINT}&token=")
    done("expired", f"{origin}.2", now=NOW + 3600)
    done("garbage", f"{origin}.2", about=None, text=form(("token", "a.b.c")))
    done("id-jag", f"{origin}.2", about=None, text=form(("token", assertion())))
    done("by-its-own-assertion", about="jwt", headers=[FORM], text=body(
        ("client_assertion_type", ASSERTION_TYPE), ("client_assertion", client_assertion(jti="client-jti-of-a-revocation"))))
    done("by-a-public-client", about="public", headers=[FORM], text=body(("client_id", "client-public")))
    # An ID-JAG that bought it stays spent.
    error("revoke-and-ask-again", "row 41", 400, "invalid_grant", "replayed", "its token was revoked", world=WORLD,
          before=["basic", "revoke-own"], control="basic")

    def refused(name, status, code, slug, differs, *, why=origin, **rest):
        error(f"revoke-{name}", why, status, code, slug, differs, **{
            "endpoint": "revoke", "target": "/revoke", "headers": GOOD, "world": WORLD, "body": body(),
            "token_of": "basic", "before": ["basic"], "control": "revoke-own", **rest})

    refused("of-another-client", 400, "unauthorized_client", "token_of_another_client", "another client", headers=EVERYTHING,
            why=f"{origin}.1")
    refused("spent-assertion", 401, "invalid_client", "client_assertion_replayed", "the assertion was sent before", headers=[FORM],
            token_of="jwt", before=["jwt"], control="revoke-by-its-own-assertion",
            body=body(("client_assertion_type", ASSERTION_TYPE), ("client_assertion", client_assertion())))
    _refusals(refused, "revoke", GOOD)
    # What is refused here counts as what is refused at the token endpoint.
    wrong = {"headers": [FORM, basic(CLIENT, "wrong")], "world": "requests-limited", "peer": "192.0.2.1"}
    refused("guess", 401, "invalid_client", "client_secret_wrong", "a wrong secret", why="row 75", token_of=None, before=None,
            body=form(("token", "a.b.c")), **wrong)
    refused("guess-after-three", 429, "temporarily_unavailable", "too_many_failures", "three guesses before", why="row 75",
            token_of=None, before=["revoke-guess"] * 3, body=form(("token", "a.b.c")), headers_out={"retry-after": "20"}, **wrong)


def _refusals(refused, name, headers) -> None:
    """What both refuse."""
    realm = {"headers_out": {"www-authenticate": f'Basic realm="{ISSUER}"'}}
    refused("nobody", 401, "invalid_client", "client_auth_missing", "no client", headers=[FORM])
    refused("secret-wrong", 401, "invalid_client", "client_secret_wrong", "a wrong secret", headers=[FORM, basic(CLIENT, "wrong")], **realm)
    refused("client-unknown", 401, "invalid_client", "client_unknown", "a client that nobody knows", headers=[FORM, basic("nobody", "x")],
            **realm)
    refused("two-proofs", 400, "invalid_request", "client_auth_ambiguous", "a second proof",
            body=body(("client_secret", "x")))
    refused("no-token", 400, "invalid_request", "token_missing", "no token", token_of=None, before=None, body=form(("token", "")))
    refused("token-twice", 400, "invalid_request", "parameter_repeated", "two tokens", body=form(("token", "a.b.c"), ("token", "")))
    refused("get", 405, "invalid_request", "method_not_allowed", "the method", method="GET", headers_out={"allow": "POST"})
    refused("query", 400, "invalid_request", "query_not_allowed", "a query", target=f"/{name}?x")
    refused("json", 400, "invalid_request", "content_type_invalid", "the media type",
            headers=[["Content-Type", "application/json"], headers[1]])
    refused("too-large", 413, "invalid_request", "body_too_large", "a longer body", token_of=None, before=None,
            body=[form(("token", "")), {"repeat": "x", "times": 65537}])


def thumbprint() -> str:
    """`x5t#S256` of the certificate (RFC 8705 section 3.1)."""
    return keys.b64u(hashlib.sha256(endpoint.CERTIFICATE).digest())


def requests() -> None:
    """Tokens to be asked about, then both endpoints."""
    endpoint.begin("about")
    endpoint.token("about-with-an-actor", "row 33", world=WORLD, body=usual(act={"sub": "wlp1a2b3c4d5e6f7g8h9"}))
    cnf = {"x5t#S256": thumbprint()}
    case("about-bound-to-a-certificate", "RFC 8705 section 3", world=WORLD, headers=[FORM], certificate=endpoint.CERTIFICATE.decode(),
         body=usual(("client_id", "client-public"), client_id="client-public", cnf=cnf),
         expect={"status": 200, "headers": NO_STORE, "token": {"scope": "chat.read", "resource": CHAT, "cnf": cnf}})
    _introspection()
    _revocation()
