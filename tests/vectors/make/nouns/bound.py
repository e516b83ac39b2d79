"""Access tokens at a resource that are bound: to a key (RFC 9449 section 7), to a certificate (RFC 8705 section 3)."""

import hashlib

import keys
from endpoint import CERTIFICATE
from endpoint_dpop import KEY, OTHER, proof, thumbprint, x5t
from names import CHAT, NOW
from nouns.tokens import BEARER, forged
from table import DROP, invalid, noun, valid, verification

URL = "https://mcp.chat.example/mcp"
SHOWN = CERTIFICATE.decode()


def _ath(token: str) -> str:
    """RFC 9449 section 4.2."""
    return keys.b64u(hashlib.sha256(token.encode()).digest())


def _key() -> None:
    origin = "RFC 9449 section 7; issue: proofs at the resource"
    cnf = {"jkt": thumbprint()}
    token = forged({"cnf": cnf})
    out = {**BEARER, "cnf": cnf, "token_type": "DPoP"}

    def shown(key=KEY, **edits):
        return {"dpop": proof(key, **{"htu": URL, "ath": _ath(token), **edits}), "method": "POST", "url": URL}

    def good(name, how=None, **rest):
        valid(name, origin, token=token, out=out, how=shown() if how is None else how, **rest)

    def bad(name, slug, differs, how, **rest):
        invalid(name, origin, slug, differs, token=token, how=how, control="bound-to-a-key", **rest)

    good("bound-to-a-key")
    good("bound-to-a-key-with-a-query", {**shown(), "url": f"{URL}?session=1#x"})
    good("bound-to-a-key-90-seconds-old", shown(iat=NOW - 90))
    good("bound-to-a-key-another-proof", shown(jti="dpop-jti-2"), before=[verification(token, {"valid": out}, how=shown())])
    bad("bound-to-a-key-no-proof", "token_proof_required", "no proof", {})
    bad("bound-to-a-key-certificate-only", "token_proof_required", "a certificate in the place of the proof", {"certificate": SHOWN})
    bad("bound-to-a-key-another-key", "token_proof_mismatch", "a proof by another key", shown(OTHER))
    bad("bound-to-a-key-again", "dpop_replayed", "the proof was shown before", shown(),
        before=[verification(token, {"valid": out}, how=shown())])
    for name, slug, differs, how in (
        ("method", "dpop_method_mismatch", "`htm`", shown(htm="GET")),
        ("method-of-the-request", "dpop_method_mismatch", "the request's method", {**shown(), "method": "GET"}),
        ("url", "dpop_url_mismatch", "`htu`", shown(htu=CHAT)),
        ("url-of-the-request", "dpop_url_mismatch", "the request's URL", {**shown(), "url": CHAT}),
        ("old", "dpop_time_invalid", "`iat`, 91 seconds ago", shown(iat=NOW - 91)),
        ("early", "dpop_time_invalid", "`iat`, in 31 seconds", shown(iat=NOW + 31)),
        ("of-another-token", "dpop_token_mismatch", "`ath` of another token", shown(ath=_ath("another"))),
        ("without-ath", "dpop_token_mismatch", "no `ath`", shown(ath=DROP)),
        ("without-jti", "dpop_malformed", "no `jti`", shown(jti=DROP)),
        ("empty", "dpop_malformed", "an empty proof", {**shown(), "dpop": ""}),
        ("no-proof-at-all", "dpop_malformed", "some text", {**shown(), "dpop": "a.b.c"}),
    ):
        bad(f"bound-to-a-key-{name}", slug, differs, how)
    plain = forged()
    valid("bound-to-nothing", origin, token=plain, out={**BEARER, "token_type": "Bearer"})
    invalid("bound-to-nothing-with-a-proof", f"{origin}.1", "token_proof_mismatch", "a proof for a bearer's token", token=plain,
            how={"dpop": proof(htu=URL, ath=_ath(plain)), "method": "POST", "url": URL}, control="bound-to-nothing")


def _certificate() -> None:
    origin = "RFC 8705 section 3"
    cnf = {"x5t#S256": x5t()}
    token = forged({"cnf": cnf})
    valid("bound-to-a-certificate", origin, token=token, how={"certificate": SHOWN}, out={**BEARER, "cnf": cnf, "token_type": "Bearer"})
    for name, differs, how in (("none", "no certificate", {}), ("another", "another certificate", {"certificate": "wrong"})):
        invalid(f"bound-to-a-certificate-{name}", origin, "token_certificate_mismatch", differs, token=token, how=how, control="bound-to-a-certificate")
    invalid("bound-to-what-nobody-knows", "row 65; RFC 7800 section 3.1", "token_malformed", "a `cnf` of another kind",
            token=forged({"cnf": {"made-up": "x"}}), how={"certificate": SHOWN}, control="bound-to-a-certificate")
    both = {**cnf, "jkt": thumbprint()}
    token = forged({"cnf": both})
    shown = {"dpop": proof(htu=URL, ath=_ath(token)), "method": "POST", "url": URL}
    valid("bound-to-both", origin, token=token, how={**shown, "certificate": SHOWN}, out={**BEARER, "cnf": both, "token_type": "DPoP"})
    invalid("bound-to-both-without-the-certificate", origin, "token_certificate_mismatch", "no certificate", token=token, how=shown,
            control="bound-to-both")
    invalid("bound-to-both-without-the-proof", origin, "token_proof_required", "no proof", token=token, how={"certificate": SHOWN},
            control="bound-to-both")


def cases() -> None:
    """All of them."""
    noun("bound")
    _key()
    _certificate()
