"""The IdP's key for `kid` and `alg`, and keys that must not be used."""

import sign
from keys import b64u
from table import DROP, claims, granted, header, noun, of, refused

# A key that was refused when the set was loaded is as good as absent.
ABSENT = "kid_unknown"


def _kid() -> None:
    for name, value in (("unknown", "made-up"), ("empty", ""), ("in-capitals", "TEST-ACME-RS256"),
                        ("path", "../../../../dev/null"), ("sql", "x' UNION SELECT 'y"),
                        ("long", "k" * 4096), ("url", "https://evil.example/keys")):
        refused(f"kid-{name}", "row 22; RFC 7515 section 4.1.4", "kid_unknown", f"a `kid` that no key has: {name}",
                head={"kid": value})
    for alg in ("RS256", "PS256", "ES256", "EdDSA"):
        granted(f"kid-missing-{alg.lower()}", "row 21", alg=alg, head={"kid": DROP})
    origin = "row 21; RFC 7515 section 4.1.4"
    granted("kid-among-two-of-a-kind", origin, world="two-keys-of-a-kind", alg="RS256", key="acme-rsa-two")
    granted("kid-missing-one-of-a-kind", origin, world="two-keys-of-a-kind", alg="ES256", head={"kid": DROP})
    refused("kid-missing-two-of-a-kind", origin, "key_ambiguous", "no `kid`, and two keys fit",
            world="two-keys-of-a-kind", alg="RS256", key="acme-rsa-two", head={"kid": DROP},
            control="kid-among-two-of-a-kind")
    granted("kid-missing-other-key-is-for-encryption", origin, world="one-key-for-signatures", alg="RS256",
            key="acme-rsa-one", head={"kid": DROP})
    granted("kid-missing-other-key-is-off-the-curve", origin, world="one-key-on-the-curve", alg="EdDSA",
            head={"kid": DROP})
    granted("kid-missing-in-both", origin, world="key-without-kid", alg="RS256", key="acme-rsa-one",
            head={"kid": DROP})
    refused("kid-of-a-key-without-kid", origin, "kid_unknown", "a `kid`, and the only key has none",
            world="key-without-kid", alg="RS256", key="acme-rsa-one", control="kid-missing-in-both")
    origin = "row 20; Wycheproof json_web_key: duplicate kid"
    granted("beside-duplicate-kid", origin, world="duplicate-kid", alg="RS256", key="acme-rs256")
    refused("duplicate-kid-first", origin, "key_ambiguous", "a `kid` that two keys have", world="duplicate-kid",
            alg="RS256", key="acme-rsa-one", head={"kid": "test-twice"}, control="beside-duplicate-kid")
    refused("duplicate-kid-second", origin, "key_ambiguous", "a `kid` that two keys have", world="duplicate-kid",
            alg="RS256", key="acme-rsa-two", head={"kid": "test-twice"}, control="beside-duplicate-kid")
    refused("keys-not-yet-fetched", "row 23", "keys_unavailable", "the IdP's keys were not fetched yet",
            world="keys-not-yet-fetched", assertion=of("granted-rs256"))


def _unsuitable() -> None:
    origin = "row 19; RFC 8725 section 3.1"
    for alg, key in (("RS256", "acme-es256"), ("RS256", "acme-ed25519"), ("ES256", "acme-rs256"),
                     ("ES256", "acme-ed25519"), ("EdDSA", "acme-es256"), ("PS256", "acme-es256")):
        refused(f"kid-of-{key[5:]}-for-{alg.lower()}", origin, "key_unsuitable",
                "`kid` names a key of another type", alg=alg, head={"kid": f"test-{key}"})
    refused("kid-of-rs256-for-ps256", origin, "key_unsuitable", "`alg` is not the one that the JWK says",
            alg="PS256", head={"kid": "test-acme-rs256"}, key="acme-rs256")
    refused("kid-of-ps256-for-rs256", origin, "key_unsuitable", "`alg` is not the one that the JWK says",
            alg="RS256", head={"kid": "test-acme-ps256"}, key="acme-ps256")
    for alg, key, control in (("ES256", "acme-es384", "alg-es384-listed"), ("ES384", "acme-es256-two", "alg-es384-listed"),
                              ("ES512", "acme-es384", "alg-es512-listed"), ("ES384", "acme-es512", "alg-es512-listed")):
        refused(f"{alg.lower()}-with-{key[5:]}", "row 19; RFC 7518 section 3.4; Wycheproof json_web_key",
                "key_unsuitable", "a key on another curve", world="all-algorithms", alg=alg, key=key, by="hand",
                control=control)
    refused("eddsa-key-for-es256-all-listed", origin, "key_unsuitable", "`kid` names a key of another type",
            world="all-algorithms", alg="ES256", key="acme-es256-two",
            head={"kid": "test-acme-ed25519-two"}, control="alg-ed25519-listed")


def _poisonous() -> None:
    origin = "row 20; RFC 7517 section 5; Wycheproof json_web_key"
    granted("among-poisonous-keys", origin, world="poisonous-keys", alg="RS256", key="acme-rs256")
    granted("among-poisonous-keys-without-kid", origin, world="poisonous-keys", alg="RS256", key="acme-rs256",
            head={"kid": DROP})

    def bad(kid, alg, key, differs):
        refused(f"key-{kid}", origin, ABSENT, differs, world="poisonous-keys", alg=alg, key=key,
                head={"kid": f"test-bad-{kid}"}, by="hand", control="among-poisonous-keys")

    for kid, alg, key, differs in (
        ("use-enc", "RS256", "acme-rsa-one", "a key for encryption"),
        ("key-ops-encrypt", "RS256", "acme-rsa-one", "a key whose `key_ops` lack verify"),
        ("private", "RS256", "acme-rsa-one", "a private key among the public ones"),
        ("private-ec", "ES256", "acme-es256-two", "a private EC key among the public ones"),
        ("alg-none", "RS256", "acme-rsa-one", "a JWK whose `alg` is none"),
        ("alg-hs256", "RS256", "acme-rsa-one", "an RSA key whose `alg` is HS256"),
        ("alg-of-other-type", "RS256", "acme-rsa-one", "an RSA key whose `alg` is ES256"),
        ("alg-encryption", "RS256", "acme-rsa-one", "an RSA key whose `alg` is RSA-OAEP"),
        ("rsa-1024", "RS256", "weak-rsa-1024", "1,024 bits"),
        ("p384-as-es256", "ES256", "acme-es384", "a P-384 key whose `alg` is ES256"),
        ("rsa-e-even", "RS256", "acme-rsa-one", "an even exponent"),
        ("rsa-n-even", "RS256", "acme-rsa-one", "an even modulus"),
        ("rsa-n-huge", "RS256", "acme-rsa-one", "a modulus of 16,401 bits"),
        ("rsa-n-missing", "RS256", "acme-rsa-one", "no modulus"),
        ("rsa-n-not-base64url", "RS256", "acme-rsa-one", "a modulus that is not base64url"),
        ("ec-off-curve", "ES256", "acme-es256", "a point that is not on the curve"),
        ("ec-infinity", "ES256", "acme-es256", "the point at infinity"),
        ("ec-short-coordinate", "ES256", "acme-es256", "a coordinate that is cut off"),
        ("ec-unknown-curve", "ES256", "acme-es256", "a curve that is not ours"),
        ("okp-x25519", "EdDSA", "acme-ed25519", "a key for key agreement"),
        ("okp-short", "EdDSA", "acme-ed25519", "a key of 31 bytes"),
        ("okp-off-curve", "EdDSA", "acme-ed25519", "a key that is no point of the curve"),
        ("unknown-type", "RS256", "acme-rsa-one", "a key type that nobody knows"),
    ):
        bad(kid, alg, key, differs)

    def forged(kid, alg, make, differs):
        head = b64u(sign.compact(header(alg, "acme-rs256", kid=f"test-bad-{kid}")).encode())
        signing_input = f"{head}.{b64u(sign.compact(claims()).encode())}"
        refused(f"key-{kid}", origin, ABSENT, differs, world="poisonous-keys",
                assertion=f"{signing_input}.{b64u(make(signing_input.encode()))}", control="among-poisonous-keys")

    granted("beside-roca-key", origin, world="roca-key", alg="RS256", key="acme-rs256")
    refused("key-rsa-roca", f"{origin}; CVE-2017-15361", ABSENT, "a modulus of the ROCA shape", world="roca-key",
            alg="RS256", key="weak-rsa-roca", control="beside-roca-key")

    def padded(data):
        size = 256
        info = bytes.fromhex("3031300d060960864801650304020105000420") + sign.sha256(data)
        return b"\0\1" + b"\xff" * (size - 3 - len(info)) + b"\0" + info

    forged("rsa-e-one", "RS256", padded, "exponent 1: the signature is the padded digest itself")
    forged("oct", "RS256", lambda data: sign.signature(data, "HS256", b"test" * 8), "a secret in the set")
    forged("oct-empty", "RS256", lambda data: sign.signature(data, "HS256", b""), "an empty secret in the set")
    # A verifier that multiplies by the cofactor accepts this one from a key of small order, for any message.
    forged("okp-small-order", "EdDSA", lambda data: b"\x01" + b"\0" * 63,
           "the neutral element as key and as R, and S = 0")


def cases() -> None:
    """All of them."""
    noun("keys")
    _kid()
    _unsuitable()
    _poisonous()
