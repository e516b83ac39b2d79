"""Proof of possession at the token endpoint: DPoP proofs (RFC 9449) and what an ID-JAG's `cnf` asks for."""

import hashlib
import json

import keys
import sign
from endpoint import (
    ASSERTION_TYPE, CERTIFICATE, FORM, GOOD, TOKEN_ENDPOINT, assertion, basic, begin, cases, client_assertion, error, form,
    invalid_client, token, usual,
)
from names import CLIENT, JTI, NOW
from table import DROP, merged

GRANT_WITH_PROOF = "urn:ietf:params:oauth:grant-type:jwt-dpop"
KEY, OTHER = "dpop-ed25519", "attacker-ed25519"
SHOWN = CERTIFICATE.decode()
SECOND = "IDAAG.a-second-one"


def bare(name: str, **edits) -> dict:
    """The public members of a key and nothing else."""
    key = {k: v for k, v in keys.public(name).items() if k not in ("kid", "use", "alg")}
    return merged(key, edits)


def proof(key=KEY, alg="EdDSA", head=None, raw=None, **edits) -> str:
    """A proof for the token endpoint (RFC 9449 section 4.2); `raw` in place of its claims."""
    head = merged({"typ": "dpop+jwt", "alg": alg, "jwk": bare(key)}, head)
    body = merged({"jti": "dpop-jti-1", "htm": "POST", "htu": TOKEN_ENDPOINT, "iat": NOW}, edits)
    return sign.by_hand(sign.compact(head), raw or sign.compact(body), alg, key)


def thumbprint(key=KEY) -> str:
    """RFC 7638."""
    members = {k: v for k, v in bare(key).items() if k in ("crv", "e", "kty", "n", "x", "y")}
    return keys.b64u(hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest())


def x5t(certificate=CERTIFICATE) -> str:
    """RFC 8705 section 3.1."""
    return keys.b64u(hashlib.sha256(certificate).digest())


def sent(text: str) -> dict:
    return {"headers": [*GOOD, ["DPoP", text]]}


def bound(name, origin, cnf=None, token_type="DPoP", **rest):
    """A token that is bound comes back."""
    token(name, origin, **rest)
    cases[name]["expect"]["token"].update(token_type=token_type, cnf=cnf or {"jkt": thumbprint()})


def bad(name, origin, slug, differs, *, control="dpop", code="invalid_dpop_proof", present=None, **rest):
    error(name, origin, 400, code, slug, differs, control=control, **rest)
    if present:
        cases[name]["expect"]["present"] = present


def _proofs() -> None:
    bound("dpop", "row 62; RFC 9449 section 5", **sent(proof()))
    bound("dpop-rs256", "RFC 9449 section 4.2", cnf={"jkt": thumbprint("client-rs256")}, **sent(proof("client-rs256", "RS256")))
    bound("dpop-key-with-more-members", "RFC 7638 section 3.2", **sent(proof(head={"kid": "k", "jwk": bare(
        KEY, kid="k", use="sig", alg="EdDSA", key_ops=["verify"], ext=True)})))
    bound("dpop-more-claims", "RFC 9449 section 4.2", **sent(proof(ath="x", nonce="nobody asked", made_up=[1])))
    bound("dpop-header-in-small-letters", "RFC 9110 section 5.1", headers=[*GOOD, ["dpop", proof()]])
    bound("dpop-grant-type-of-its-own", "Decided: DPoP", **sent(proof()),
          body=form(("grant_type", GRANT_WITH_PROOF), ("assertion", assertion())))
    bad("dpop-grant-type-of-its-own-without-proof", "Decided: DPoP", "dpop_missing", "no proof",
        control="dpop-grant-type-of-its-own", headers=GOOD, body=form(("grant_type", GRANT_WITH_PROOF), ("assertion", assertion())))
    bound("dpop-and-private-key-jwt", "row 11, 62", headers=[FORM, ["DPoP", proof()]],
          body=usual(("client_assertion_type", ASSERTION_TYPE), ("client_assertion", client_assertion()), client_id="client-jwt"))
    bound("dpop-of-a-public-client", "RFC 9449 section 5", headers=[FORM, ["DPoP", proof()]],
          body=usual(("client_id", "client-public"), client_id="client-public"))
    invalid_client("dpop-bad-and-no-client", "Decided: the client first", "client_secret_wrong", "the secret, and a bad proof",
                   control="dpop", basic_tried=True, headers=[FORM, basic(CLIENT, "test-secret-wrong"), ["DPoP", proof(key=OTHER, head={"jwk": bare(KEY)})]])

    for name, text in (("empty", ""), ("text", "abc"), ("three-parts", "a.b.c"), ("five-parts", "a.b.c.d.e"),
                       ("two-in-one", proof() + ", " + proof()), ("padded", proof() + "="), ("with-a-space", " " + proof()),
                       ("without-signature-part", proof().rpartition(".")[0]), ("long", proof(made_up="x" * 6200))):
        bad(f"dpop-{name}", "RFC 9449 section 4.3", "dpop_malformed", "no proof, or too long", **sent(text))
    for name, edits in (
        ("jti-missing", {"jti": DROP}), ("jti-empty", {"jti": ""}), ("jti-a-number", {"jti": 1}), ("jti-long", {"jti": "x" * 257}),
        ("htm-missing", {"htm": DROP}), ("htm-an-array", {"htm": ["POST"]}), ("htu-missing", {"htu": DROP}), ("htu-null", {"htu": None}),
        ("iat-missing", {"iat": DROP}), ("iat-a-string", {"iat": str(NOW)}), ("iat-true", {"iat": True}),
        ("ath-a-number", {"ath": 1}), ("nonce-null", {"nonce": None}),
    ):
        bad(f"dpop-{name}", "RFC 9449 section 4.2; CVE-2026-25537", "dpop_malformed", name, **sent(proof(**edits)))
    good = sign.compact({"jti": "dpop-jti-1", "htm": "POST", "htu": TOKEN_ENDPOINT, "iat": NOW})
    for name, raw in (("jti-twice", good.replace("{", '{"jti":"other",', 1)), ("no-object", "[]"), ("no-json", good[:-1])):
        bad(f"dpop-{name}", "row 76; RFC 8725 section 2.4", "dpop_malformed", name, **sent(proof(raw=raw)))
    bound("dpop-jti-of-256", "row 37", **sent(proof(jti="x" * 256)))

    for name, head in (
        ("typ-missing", {"typ": DROP}), ("typ-jwt", {"typ": "JWT"}), ("typ-media-type", {"typ": "application/dpop+jwt"}),
        ("typ-in-capitals", {"typ": "DPOP+JWT"}), ("typ-id-jag", {"typ": "oauth-id-jag+jwt"}), ("typ-a-number", {"typ": 1}),
        ("jwk-missing", {"jwk": DROP}), ("alg-missing", {"alg": DROP}), ("alg-none", {"alg": "none"}), ("alg-made-up", {"alg": "EdDSA2"}),
        ("crit", {"crit": ["exp"]}), ("b64", {"b64": False}), ("jku", {"jku": "https://evil.example/keys"}),
        ("x5c", {"x5c": ["AA"]}), ("x5u", {"x5u": "https://evil.example/"}), ("kid-a-number", {"kid": 1}),
    ):
        bad(f"dpop-{name}", "RFC 9449 section 4.3; attack 4, 18, 24", "dpop_header_invalid", name, **sent(proof(head=head)))
    unsigned = proof(head={"alg": "none"}).rpartition(".")[0] + "."
    bad("dpop-unsigned", "RFC 9449 section 4.3; attack 18", "dpop_header_invalid", "`alg` none", **sent(unsigned))
    for name, jwk in (("with-a-secret", {k: v for k, v in keys.jwk("token-hs256").items() if k in ("kty", "k")}),
                      ("with-a-public-key", bare("client-rs256"))):
        bad(f"dpop-hs256-{name}", "RFC 9449 section 4.3; attack 12, 13, 20", "dpop_header_invalid", "`alg` HS256",
            **sent(proof("token-hs256", "HS256", head={"jwk": jwk})))


def _keys() -> None:
    private = {k: v for k, v in keys.jwk(KEY).items() if k in ("kty", "crv", "x", "d")}
    for name, jwk in (
        ("private", private), ("a-string", "x"), ("null", None), ("empty", {}), ("symmetric", {"kty": "oct", "k": keys.b64u(b"x" * 32)}),
        ("for-encryption", bare(KEY, use="enc")), ("to-sign-with", bare(KEY, key_ops=["sign"])), ("of-another-alg", bare(KEY, alg="Ed25519")),
        ("of-another-type", bare("client-rs256")), ("short", bare(KEY, x=bare(KEY)["x"][:-1])), ("padded", bare(KEY, x=bare(KEY)["x"] + "=")),
        ("of-small-order", bare(KEY, x=keys.b64u(b"\x01" + b"\x00" * 31))), ("x25519", bare(KEY, crv="X25519")),
    ):
        bad(f"dpop-jwk-{name}", "RFC 9449 section 4.3; RFC 8725 section 3.5", "dpop_key_invalid", f"`jwk` {name}",
            **sent(proof(head={"jwk": jwk})))
    for name in ("weak-rsa-1024", "weak-rsa-roca"):
        bad(f"dpop-jwk-{name}", "RFC 7518 section 3.3; CVE-2017-15361", "dpop_key_invalid", "a key that can be broken",
            control="dpop-rs256", **sent(proof(name, "RS256")))
    bad("dpop-by-another-key", "RFC 9449 section 4.3; attack 17", "dpop_signature_invalid", "signed by another key than `jwk`",
        **sent(proof(OTHER, head={"jwk": bare(KEY)})))
    changed = proof().split(".")
    changed[1] = keys.b64u(keys.unb64u(changed[1]).replace(b"dpop-jti-1", b"dpop-jti-2"))
    bad("dpop-changed", "RFC 9449 section 4.3", "dpop_signature_invalid", "another `jti` under the same signature", **sent(".".join(changed)))


def _requests_of_proofs() -> None:
    for name, htm in (("get", "GET"), ("small-letters", "post")):
        bad(f"dpop-htm-{name}", "row 64; RFC 9449 section 4.3", "dpop_method_mismatch", "`htm`", **sent(proof(htm=htm)))
    for name, htu in (("query", TOKEN_ENDPOINT + "?x=1"), ("fragment", TOKEN_ENDPOINT + "#x"), ("port", "https://auth.chat.example:443/token"),
                      ("capitals", "HTTPS://Auth.Chat.Example/token")):
        bound(f"dpop-htu-with-{name}", "RFC 9449 section 4.3; RFC 3986 section 6.2", **sent(proof(htu=htu)))
    for name, htu in (("host", "https://mcp.chat.example/token"), ("path", "https://auth.chat.example/revoke"), ("issuer", "https://auth.chat.example/"),
                      ("scheme", "http://auth.chat.example/token"), ("port", "https://auth.chat.example:8443/token"), ("slash", TOKEN_ENDPOINT + "/"),
                      ("path-in-capitals", "https://auth.chat.example/TOKEN"), ("escaped", "https://auth.chat.example/%74oken"),
                      ("relative", "/token"), ("user", "https://auth.chat.example@evil.example/token"), ("longer-host", "https://auth.chat.example.evil.example/token")):
        bad(f"dpop-htu-another-{name}", "row 64; RFC 9449 section 4.3", "dpop_url_mismatch", "`htu`", **sent(proof(htu=htu)))
    for name, iat in (("oldest", NOW - 90), ("newest", NOW + 30), ("with-a-fraction", NOW - 0.5)):
        bound(f"dpop-iat-{name}", "RFC 9449 section 11.1", **sent(proof(iat=iat)))
    for name, iat in (("too-old", NOW - 91), ("a-fraction-too-old", NOW - 90.5), ("from-the-future", NOW + 31),
                      ("a-fraction-from-the-future", NOW + 30.5), ("of-1970", 0), ("never", 9e15), ("negative", -NOW)):
        bad(f"dpop-iat-{name}", "row 64; RFC 9449 section 11.1", "dpop_time_invalid", "`iat`", **sent(proof(iat=iat)))


def _single_use() -> None:
    second = {"body": usual(jti=SECOND)}
    bad("dpop-again", "row 64; RFC 9449 section 11.1", "dpop_replayed", "the proof was sent before", before=["dpop"], **second, **sent(proof()))
    bound("dpop-again-by-another-key", "RFC 9449 section 11.1", cnf={"jkt": thumbprint(OTHER)}, before=["dpop"], **second, **sent(proof(OTHER)))
    bound("dpop-another-after-a-replayed-one", "row 42: a refusal burns no ID-JAG", before=["dpop", "dpop-again"], **second,
          **sent(proof(jti="dpop-jti-2")))
    bound("dpop-after-a-bad-proof", "row 42: a refusal burns no ID-JAG", before=["dpop-by-another-key", "dpop-htm-get"], **sent(proof()))
    bad("dpop-and-a-scope-not-to-be-had", "row 50", "scope_not_available", "a scope that is not granted", code="invalid_scope",
        body=usual(("scope", "chat.write")), **sent(proof()))
    bound("dpop-not-spent-by-a-refusal", "without a good assertion, no proof fills the store", before=["dpop-and-a-scope-not-to-be-had"], **sent(proof()))
    bound("dpop-jti-is-a-name-space-of-its-own", "row 39", **sent(proof(jti=JTI)))
    bad("dpop-and-an-id-jag-again", "row 38", "replayed", "the ID-JAG was sent before", code="invalid_grant", before=["dpop"],
        **sent(proof(jti="dpop-jti-2")))


def _bound_assertions() -> None:
    jkt, both = {"jkt": thumbprint()}, {"jkt": thumbprint(), "x5t#S256": x5t()}
    bound("cnf-jkt", "row 62; draft section 8.6", body=usual(cnf=jkt), **sent(proof()))
    wrong = {"code": "invalid_grant", "control": "cnf-jkt"}
    bad("cnf-jkt-no-proof", "row 63; draft section 8.6", "proof_required", "no proof", body=usual(cnf=jkt), **wrong)
    bad("cnf-jkt-another-key", "row 63; draft section 8.6", "proof_mismatch", "a proof by another key", body=usual(cnf=jkt), **wrong, **sent(proof(OTHER)))
    bad("cnf-jkt-and-a-certificate", "row 63", "proof_required", "a certificate in place of a proof", body=usual(cnf=jkt), certificate=SHOWN, **wrong)

    certificate = {"x5t#S256": x5t()}
    bound("cnf-x5t", "row 65; RFC 8705 section 3.1", cnf=certificate, token_type="Bearer", body=usual(cnf=certificate), certificate=SHOWN)
    bound("cnf-x5t-and-a-proof", "RFC 9449 section 5", cnf=both, body=usual(cnf=certificate), certificate=SHOWN, **sent(proof()))
    bound("cnf-both", "RFC 7800 section 3.1", cnf=both, body=usual(cnf=both), certificate=SHOWN, **sent(proof()))
    token("certificate-and-no-cnf", "RFC 8705 section 3", certificate=SHOWN)
    tls = {"code": "invalid_grant", "control": "cnf-x5t"}
    bad("cnf-x5t-no-certificate", "row 65; draft PR #118", "proof_required", "no certificate", body=usual(cnf=certificate), **tls)
    bad("cnf-x5t-another-certificate", "RFC 8705 section 3.1", "proof_mismatch", "another certificate", body=usual(cnf=certificate), certificate=SHOWN + "!", **tls)
    bad("cnf-x5t-and-only-a-proof", "row 65", "proof_required", "a proof in place of a certificate", body=usual(cnf=certificate), **tls, **sent(proof()))
    two = {"code": "invalid_grant", "control": "cnf-both"}
    bad("cnf-both-no-certificate", "RFC 7800 section 3.1", "proof_required", "no certificate", body=usual(cnf=both), **two, **sent(proof()))
    bad("cnf-both-no-proof", "RFC 7800 section 3.1", "proof_required", "no proof", body=usual(cnf=both), certificate=SHOWN, **two)
    bad("cnf-both-another-key", "RFC 7800 section 3.1", "proof_mismatch", "a proof by another key", body=usual(cnf=both), certificate=SHOWN, **two, **sent(proof(OTHER)))
    bad("cnf-both-another-certificate", "RFC 7800 section 3.1", "proof_mismatch", "another certificate", body=usual(cnf=both), certificate=SHOWN + "!", **two, **sent(proof()))

    for name, cnf in (("jwk", {"jwk": bare(KEY)}), ("jwe", {"jwe": "x"}), ("kid", {"kid": "x"}), ("jku", {"jku": "https://evil.example/"}),
                      ("x5t", {"x5t": "x"}), ("made-up", {"made-up": "x"}), ("in-capitals", {"JKT": thumbprint()}),
                      ("beside-jkt", {**jkt, "made-up": "x"}), ("beside-both", {**both, "osc": {}})):
        bad(f"cnf-method-{name}", "row 65; RFC 7800 section 3.1", "cnf_method_unknown", f"`cnf` {name}", body=usual(cnf=cnf), certificate=SHOWN,
            **wrong, **sent(proof()))
    for name, cnf in (("empty", {}), ("null", None), ("a-string", thumbprint()), ("an-array", [jkt]), ("true", True), ("jkt-a-number", {"jkt": 1}),
                      ("jkt-null", {"jkt": None}), ("jkt-an-array", {"jkt": [thumbprint()]}), ("jkt-empty", {"jkt": ""}),
                      ("jkt-padded", {"jkt": thumbprint() + "="}), ("jkt-short", {"jkt": thumbprint()[:-1]}), ("jkt-of-sha-512", {"jkt": keys.b64u(b"x" * 64)}),
                      # RFC 8705 section 3.1 prints this one; its last bits are not zero.
                      ("x5t-not-canonical", {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}), ("x5t-null", {**jkt, "x5t#S256": None})):
        bad(f"cnf-malformed-{name}", "row 65; RFC 7800 section 3.1", "cnf_malformed", f"`cnf` {name}", body=usual(cnf=cnf), certificate=SHOWN,
            **wrong, **sent(proof()))


def _required() -> None:
    world = {"world": "requests-proof-for-everyone"}
    bound("required-dpop", "row 66; draft section 8.6", **world, **sent(proof()))
    bound("required-dpop-and-cnf", "row 62, 66", **world, body=usual(cnf={"jkt": thumbprint()}), **sent(proof()))
    wrong = {"code": "invalid_grant", "control": "required-dpop", **world}
    bad("required-and-no-proof", "row 66; draft section 8.6", "connector_proof_required", "no proof", **wrong)
    bad("required-and-a-certificate", "row 66", "connector_proof_required", "a certificate in place of a proof",
        body=usual(cnf={"x5t#S256": x5t()}), certificate=SHOWN, **wrong)
    bad("required-and-a-bad-proof", "row 64, 66", "dpop_signature_invalid", "signed by another key", control="required-dpop", **world,
        **sent(proof(OTHER, head={"jwk": bare(KEY)})))

    world = {"world": "requests-with-nonce", "code": "use_dpop_nonce", "control": "dpop", "present": ["dpop-nonce"]}
    for name, edits in (("no", {}), ("made-up", {"nonce": "made-up"}), ("forged", {"nonce": keys.b64u(b"\x00" * 40)})):
        bad(f"nonce-{name}", "row 64; RFC 9449 section 8", "dpop_nonce_required", f"a server that asks for a nonce, and {name} nonce", **world, **sent(proof(**edits)))
    token("nonce-not-for-bearers", "RFC 9449 section 8", world="requests-with-nonce")
    bad("nonce-no-and-no-proof-for-this", "RFC 9449 section 4.3", "dpop_url_mismatch", "a server that asks for a nonce, and another `htu`",
        world="requests-with-nonce", absent=["dpop-nonce"], **sent(proof(htu="https://auth.chat.example/")))


def requests() -> None:
    """All of them."""
    begin("dpop")
    for part in (_proofs, _keys, _requests_of_proofs, _single_use, _bound_assertions, _required):
        part()
