"""`typ`, `alg`, and the header members that are never obeyed."""

import json

import keys
import sign
from keys import b64u, public
from names import TYP
from table import DROP, claims, granted, header, noun, refused


def _typ() -> None:
    origin = "row 16; RFC 8725 section 3.11"
    for name, value, differs in (
        ("typ-missing", DROP, "no `typ`"),
        ("typ-jwt", "JWT", "`typ` is JWT: a plain RFC 7523 assertion"),
        ("typ-media-type", f"application/{TYP}", "the long form of the media type"),
        ("typ-upper-case", TYP.upper(), "`typ` in capitals"),
        ("typ-mixed-case", "oauth-id-jag+JWT", "`typ` partly in capitals"),
        ("typ-space-before", f" {TYP}", "a space before `typ`"),
        ("typ-space-behind", f"{TYP} ", "a space behind `typ`"),
        ("typ-nul-behind", f"{TYP}\0", "a NUL behind `typ`"),
        ("typ-parameter", f"{TYP};v=1", "a parameter behind `typ`"),
        ("typ-prefix", TYP[:-4], "`typ` without +jwt"),
        ("typ-empty", "", "an empty `typ`"),
        ("typ-access-token", "at+jwt", "`typ` of an access token"),
        ("typ-id-token", "id_token+jwt", "another `typ`"),
        ("typ-client-assertion", "client-authentication+jwt", "`typ` of a client assertion"),
        ("typ-token-introspection", "token-introspection+jwt", "`typ` of an introspection response"),
        ("typ-null", None, "`typ` is null"),
        ("typ-number", 1, "`typ` is a number"),
        ("typ-array", [TYP], "`typ` is an array"),
        ("typ-object", {"typ": TYP}, "`typ` is an object"),
    ):
        by = None if isinstance(value, str) and value and "\0" not in value else "hand"
        refused(name, origin, "typ_invalid", differs, head={"typ": value}, by=by)


def _alg() -> None:
    origin = "row 17; RFC 8725 section 3.1"
    for name, value, differs in (
        ("alg-none", "none", "`alg` is none, with the signature in place"),
        ("alg-none-capital", "None", "`alg` is None"),
        ("alg-none-capitals", "NONE", "`alg` is NONE"),
        ("alg-none-mixed", "nOnE", "`alg` is nOnE"),
        ("alg-empty", "", "an empty `alg`"),
        ("alg-lower-case", "rs256", "`alg` in small letters"),
        ("alg-space-behind", "RS256 ", "a space behind `alg`"),
        ("alg-nul-behind", "RS256\0", "a NUL behind `alg`"),
        ("alg-unknown", "XX256", "an `alg` that nobody knows"),
        ("alg-rs1", "RS1", "RSA with SHA-1"),
        ("alg-secp256k1", "ES256K", "the curve secp256k1"),
        ("alg-wycheproof-es521", "ES521", "a misspelt ES512"),
        ("alg-ml-dsa", "ML-DSA-44", "an algorithm that is not implemented"),
        ("alg-encryption", "RSA-OAEP", "an encryption algorithm"),
        ("alg-rs384-not-listed", "RS384", "an algorithm that the IdP's list lacks"),
        ("alg-es384-not-listed", "ES384", "an algorithm that the IdP's list lacks"),
        ("alg-ed25519-not-listed", "Ed25519", "the name of RFC 9864, which the IdP's list lacks"),
        ("alg-hs256", "HS256", "a symmetric algorithm"),
        ("alg-hs384", "HS384", "a symmetric algorithm"),
        ("alg-hs512", "HS512", "a symmetric algorithm"),
    ):
        refused(name, origin, "alg_not_allowed", differs, head={"alg": value}, by="hand")
    refused("alg-missing", origin, "alg_not_allowed", "no `alg`", head={"alg": DROP}, by="hand")
    for name, value in (("null", None), ("number", 256), ("array", ["RS256"]), ("boolean", True)):
        refused(f"alg-{name}", origin, "header_not_allowed", f"`alg` is of type {name}", head={"alg": value},
                by="hand")
    granted("alg-es256-on-its-list", "row 17", world="es256-only", alg="ES256")
    refused("alg-not-on-its-list", "row 17", "alg_not_allowed", "RS256 from an IdP whose list is ES256",
            world="es256-only", alg="RS256", control="alg-es256-on-its-list")
    granted("alg-ed25519-by-name", "RFC 9864", world="ed25519-by-name", alg="Ed25519", key="acme-ed25519-two",
            by="hand")
    refused("alg-eddsa-where-ed25519-is-listed", "RFC 9864", "alg_not_allowed", "the older name",
            world="ed25519-by-name", alg="EdDSA", key="acme-ed25519-two", control="alg-ed25519-by-name")
    for alg, key in (
        ("RS384", "acme-rsa-one"), ("RS512", "acme-rsa-two"), ("PS384", "acme-rsa-one"),
        ("PS512", "acme-rsa-two"), ("PS256", "acme-rsa-one"), ("ES384", "acme-es384"), ("ES512", "acme-es512"),
        ("EdDSA", "acme-ed25519-two"), ("Ed25519", "acme-ed25519-two"), ("RS256", "acme-rsa-two"),
    ):
        granted(f"alg-{alg.lower()}-listed", "row 17; RFC 7518 section 3", world="all-algorithms", alg=alg, key=key)


def _unsigned_and_confused() -> None:
    """Complete forgeries, as they worked on others."""
    body = b64u(sign.compact(claims()).encode())
    none = b64u(sign.compact({"alg": "none", "typ": TYP}).encode())
    refused("attack-18-alg-none-without-signature", "attack 18; RFC 8725 section 2.1", "alg_not_allowed",
            "unsigned", assertion=f"{none}.{body}.")
    refused("attack-18-unknown-alg-without-signature", "attack 18; CVE-2026-23993", "alg_not_allowed",
            "an unknown `alg`, unsigned",
            assertion=f"{b64u(sign.compact({'alg': 'foo', 'typ': TYP}).encode())}.{body}.")
    key = keys.private_key("acme-rs256").public_key()
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    secrets = (
        ("pem", pem, "attack 20; CVE-2015-9235"),
        ("pem-stripped", pem.strip(), "attack 20; CVE-2022-29217"),
        ("pem-space-before", b" " + pem, "attack 15; CVE-2026-34950"),
        ("pkcs1-pem", key.public_bytes(Encoding.PEM, PublicFormat.PKCS1), "attack 20; CVE-2024-54150"),
        ("der", key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "attack 20"),
        ("jwk", sign.compact(public("acme-rs256")).encode(), "attack 13; CVE-2026-48526"),
        ("modulus", keys.unb64u(public("acme-rs256")["n"]), "attack 20"),
        ("modulus-text", public("acme-rs256")["n"].encode(), "attack 14; CVE-2026-22817"),
        ("empty", b"", "attack 12; CVE-2026-44699"),
    )
    head = b64u(sign.compact(header("RS256", "acme-rs256", alg="HS256")).encode())
    for name, secret, origin in secrets:
        mac = b64u(sign.signature(f"{head}.{body}".encode(), "HS256", secret))
        refused(f"hmac-with-public-{name}", origin, "alg_not_allowed",
                "HS256, and the IdP's public key as the secret", assertion=f"{head}.{body}.{mac}")
    for alg, key in (("RS256", "acme-rsa-one"),):
        head = b64u(sign.compact(header(alg, key, alg="HS256")).encode())
        mac = b64u(sign.signature(f"{head}.{body}".encode(), "HS256", b""))
        granted("key-without-alg", "RFC 7517 section 4.4", world="two-keys-of-a-kind", alg=alg, key=key)
        refused("attack-12-key-without-alg", "attack 12, 14; CVE-2026-44699, CVE-2026-22818", "alg_not_allowed",
                "HS256 with an empty secret, and a JWK without `alg`", world="two-keys-of-a-kind",
                assertion=f"{head}.{body}.{mac}", control="key-without-alg")


def _members() -> None:
    for name, members, origin in (
        ("x5t", {"x5t": "dGVzdC10ZXN0LXRlc3QtdGVzdA"}, "RFC 7515 section 4.1.7"),
        ("x5t-s256", {"x5t#S256": "dGVzdC10ZXN0LXRlc3QtdGVzdA"}, "RFC 7515 section 4.1.8"),
        ("cty", {"cty": "JWT"}, "RFC 7515 section 4.1.10"),
        ("zip", {"zip": "DEF"}, "RFC 7516 section 4.1.3: JWE only"),
        ("unknown", {"made-up": {"a": [1]}}, "RFC 7515 section 4"),
        ("x5c-in-capitals", {"X5C": ["AAAA"]}, "RFC 7515 section 4"),
    ):
        granted(f"header-{name}-ignored", origin, head=members)
    origin = "row 18; RFC 7515 section 4.1"
    attacker = public("attacker-rs256")
    for name, members, differs in (
        ("crit-unknown", {"crit": ["made-up"], "made-up": 1}, "`crit` with a name that nobody knows"),
        ("crit-exp", {"crit": ["exp"], "exp": 1784527576}, "`crit` with a name of a claim"),
        ("crit-empty", {"crit": []}, "an empty `crit`"),
        ("crit-null", {"crit": None}, "`crit` is null"),
        ("crit-b64-true", {"crit": ["b64"], "b64": True}, "`crit` with b64, which is true"),
        ("b64-false", {"crit": ["b64"], "b64": False}, "`b64` is false and in `crit`"),
        ("b64-false-alone", {"b64": False}, "`b64` is false and not in `crit`"),
        ("b64-true-alone", {"b64": True}, "`b64` is true"),
        ("jwk-of-the-idp", {"jwk": public("acme-rs256")}, "the IdP's own key in `jwk`"),
        ("jwk-null", {"jwk": None}, "`jwk` is null"),
        ("jku", {"jku": "https://acme.idp.example/keys"}, "`jku`"),
        ("jku-file", {"jku": "file:///etc/passwd"}, "`jku` that names a file"),
        ("jku-metadata", {"jku": "http://169.254.169.254/latest/meta-data"}, "`jku` that names a metadata service"),
        ("x5u", {"x5u": "https://acme.idp.example/cert.pem"}, "`x5u`"),
        ("x5c", {"x5c": ["MIIB"]}, "`x5c`"),
        ("x5c-null", {"x5c": None}, "`x5c` is null"),
    ):
        by = "hand" if None in members.values() or "b64" in members else None
        refused(f"header-{name}", origin, "header_not_allowed", differs, head=members, by=by)
    for name, value in (("number", 1), ("null", None), ("array", ["test-acme-rs256"]), ("object", {}),
                        ("boolean", True)):
        refused(f"kid-{name}", "RFC 7515 section 4.1.4", "header_not_allowed", f"`kid` is of type {name}",
                head={"kid": value}, by="hand")
    for name, members, origin in (
        ("attack-17-embedded-jwk", {"jwk": attacker, "kid": DROP}, "attack 17, 22; CVE-2026-27962, CVE-2018-0114"),
        ("attack-17-embedded-jwk-same-kid", {"jwk": attacker}, "attack 17; CVE-2026-27962"),
        ("attack-27-jku-of-the-attacker", {"jku": "https://evil.example/keys"}, "attack 27; CVE-2026-48522"),
        ("attack-24-crit-unknown", {"crit": ["cnf"], "cnf": {}}, "attack 24; CVE-2026-32597, CVE-2025-59420"),
    ):
        refused(name, origin, "header_not_allowed", "signed by the attacker, whose key the header brings along",
                head={"kid": "test-acme-rs256", **members}, alg="RS256", key="attacker-rs256", by="hand")


def cases() -> None:
    """All of them."""
    noun("header")
    _typ()
    _alg()
    _unsigned_and_confused()
    _members()
