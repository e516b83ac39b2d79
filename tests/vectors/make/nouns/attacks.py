"""Attacks that worked on others and have no place in the other files; the rest carries `attack N` as its origin.

Lines that an engine without HTTP, client authentication or DPoP cannot meet are listed in the README.
"""

import sign
from keys import b64u, private_key, unb64u
from names import ACME, ISSUER, SUB, TYP
from table import claims, granted, granted_before, header, noun, of, refused, request, text_of

ONCE = granted_before()


def cases() -> None:
    """All of them."""
    noun("attacks")
    refused("attack-01-idp-switched-off-after-use", "attack 1; CVE-2026-1486; keycloak 46146", "issuer_disabled",
            "the IdP is switched off, and its key and its people are still there", world="idp-switched-off",
            assertion=of("granted-es256"), control="granted-es256")
    refused("attack-03-alg-confusion-in-the-grant", "attack 3; CVE-2026-11800", "alg_not_allowed",
            "any linked user, HS256 with the IdP's public key", assertion=_hmac_over_claims(sub="00u-administrator"))
    refused("attack-04-header-read-before-verification", "attack 4; CVE-2026-16093", "signature_invalid",
            "the header names another key of the same IdP", alg="RS256", key="acme-ps256",
            head={"kid": "test-acme-rs256"}, by="hand")
    granted("attack-06-forged-first", "attack 6; keycloak 49215",
            assertion=of("granted-rs256"), before=[
                request(of("signature-zero-rs256"), "signature_invalid"),
                request(of("signature-empty-rs256"), "signature_invalid"),
                request(of("attack-18-alg-none-without-signature"), "alg_not_allowed"),
            ])
    refused("attack-10-same-beginning", "attack 10; CVE-2026-35030", "signature_invalid",
            "presented after the valid one, with which it shares all but the signature's end",
            assertion=of("signature-last-bit-rs256"), before=[request(of("granted-rs256"), ONCE)])
    refused("attack-11-same-signature", "attack 11; CVE-2026-35039", "signature_invalid",
            "presented after the valid one, whose signature it carries", assertion=of("payload-altered-rs256"),
            before=[request(of("granted-rs256"), ONCE)])
    head = b64u(sign.compact(header("RS256", "acme-rs256")).encode())
    body = b64u(sign.compact(claims(sub="00u-administrator")).encode())
    refused("attack-16-alg-from-the-token", "attack 16; CVE-2023-48238", "alg_not_allowed", "`alg` of the attacker's choice",
            assertion=_hmac_over_claims(alg="HS512", sub=SUB))
    refused("attack-20-none-with-signature-of-another", "attack 20; CVE-2022-23540", "alg_not_allowed",
            "`alg` is none, with the signature of a valid one",
            assertion=f"{b64u(sign.compact({'alg': 'none', 'typ': TYP}).encode())}.{body}."
                      f"{text_of('granted-rs256').rpartition('.')[2]}")
    refused("attack-35-secret-from-the-assertion", "attack 35; GHSA-869p-cjfg-cm3x", "alg_not_allowed",
            "an HMAC whose secret the claims bring along",
            assertion=_hmac_over_claims(secret=b"00u-administrator", sub="00u-administrator"))
    for name, value, origin, slug in (
        ("iss-array-of-ours-and-theirs", {"iss": [ACME, "https://evil.example"]},
         "attack 25; CVE-2025-30144", "issuer_malformed"),
        ("aud-object", {"aud": {ISSUER: True}}, "attack 26; CVE-2020-26160", "audience_malformed"),
        ("exp-text-far-away", {"exp": "9999999999"}, "attack 23; CVE-2026-25537", "exp_malformed"),
        ("exp-false", {"exp": False}, "attack 23; CVE-2026-25537", "exp_malformed"),
        ("nbf-text", {"nbf": "never"}, "attack 23; CVE-2026-25537", "nbf_malformed"),
    ):
        refused(f"attack-{origin.split()[1].rstrip(';')}-{name}", origin, slug, f"claims of an odd type: {name}",
                claim=value)
    refused("attack-29-policy-that-cannot-decide", "attack 29; CVE-2026-9792", "groups_overage",
            "the groups are not known", assertion=of("overage-hasgroups"))
    refused("attack-31-base64-without-end", "attack 31; CVE-2026-48525", "assertion_too_large",
            "a megabyte of base64url in the payload",
            assertion=[f"{head}.", {"repeat": "QUFB", "times": 1 << 18}, ".AAAA"])
    refused("attack-30-dots-and-a-token", "attack 30; CVE-2025-27144", "assertion_malformed",
            "the valid one behind 8,000 dots",
            assertion=[{"repeat": ".", "times": 8000}, text_of("granted-rs256")])
    refused("attack-33-oversized-echo", "attack 33; CVE-2025-65015", "kid_unknown", "8,000 letters in `kid`",
            head={"kid": "<script>" * 1000})
    refused("attack-34-signature-cut-to-a-byte", "attack 34; CVE-2023-37464", "signature_invalid",
            "the signature's first byte alone",
            assertion=f"{text_of('granted-rs256').rpartition('.')[0]}."
                      f"{b64u(unb64u(text_of('granted-rs256').rpartition('.')[2])[:1])}")
    refused("attack-34-signature-of-pages", "attack 34", "signature_invalid", "a signature of 4,095 bytes",
            assertion=[f"{text_of('granted-rs256').rpartition('.')[0]}.", {"repeat": "AAAA", "times": 1365}])


def _hmac_over_claims(alg="HS256", secret=None, **edits) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    if secret is None:
        key = private_key("acme-rs256").public_key()
        secret = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = b64u(sign.compact(header("RS256", "acme-rs256", alg=alg)).encode())
    signing_input = f"{head}.{b64u(sign.compact(claims(**edits)).encode())}"
    return f"{signing_input}.{b64u(sign.signature(signing_input.encode(), alg, secret))}"
