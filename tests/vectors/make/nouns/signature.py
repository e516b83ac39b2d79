"""The signature is by the IdP's key, over exactly these bytes, in exactly the form of RFC 7518."""

import sign
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from keys import b64u, jwk, private_key, unb64u
from table import claims, granted, header, noun, refused, text_of

P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
L = (1 << 252) + 27742317777372353535851937790883648493
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def with_signature(signing_input: str, signature: bytes) -> str:
    """A compact JWS with this signature."""
    return f"{signing_input}.{b64u(signature)}"


def _usual() -> None:
    out = {"sub": "00u1a2b3c4d5e6f7g8h9", "idp": "https://acme.idp.example", "groups": ["eng"], "tenant": None,
           "act": None, "cnf": None, "email": None, "authorization_details": None}
    origin = "row 44, 69; RFC 7518 section 3"
    granted("granted-rs256", origin, by="pyjwt", alg="RS256", out=out)
    granted("granted-ps256", origin, by="jose", alg="PS256", out=out)
    granted("granted-es256", origin, by="joserfc", alg="ES256", out=out)
    granted("granted-eddsa", origin, by="jose", alg="EdDSA", out=out)
    for library in sign.LIBRARIES:
        for alg in ("RS256", "PS256", "ES256", "EdDSA"):
            granted(f"made-by-{library}-{alg.lower()}", origin, by=library, alg=alg)


def _altered() -> None:
    origin = "RFC 7515 section 5.2; Wycheproof json_web_signature"
    for name in ("rs256", "ps256", "es256", "eddsa"):
        control = f"granted-{name}"
        text = text_of(control)
        signing_input, _, last = text.rpartition(".")
        first, second = signing_input.split(".")
        good = unb64u(last)
        body = sign.compact(claims(sub="00u-somebody-else"))
        head = unb64u(first).decode()

        def case(what, assertion, differs):
            refused(f"{what}-{name}", origin, "signature_invalid", differs, assertion=assertion, control=control)

        case("payload-altered", f"{first}.{b64u(body.encode())}.{last}", "another `sub`, with the old signature")
        case("header-altered", f"{b64u((head[:-1] + ',' + chr(34) + 'x' + chr(34) + ':1}').encode())}.{second}.{last}",
             "one more member in the header, with the old signature")
        case("payload-with-space", f"{first}.{b64u(unb64u(second) + b' ')}.{last}",
             "a space behind the claims, with the old signature")
        case("signature-empty", f"{signing_input}.", "no signature")
        case("signature-zero", with_signature(signing_input, bytes(len(good))), "a signature of zeros")
        case("signature-ones", with_signature(signing_input, b"\xff" * len(good)), "a signature of ones")
        case("signature-first-bit", with_signature(signing_input, bytes([good[0] ^ 0x80]) + good[1:]),
             "the first bit of the signature")
        case("signature-last-bit", with_signature(signing_input, good[:-1] + bytes([good[-1] ^ 1])),
             "the last bit of the signature")
        case("signature-cut", with_signature(signing_input, good[:-1]), "the signature's last byte is missing")
        case("signature-cut-in-front", with_signature(signing_input, good[1:]), "the signature's first byte is missing")
        case("signature-longer", with_signature(signing_input, good + b"\0"), "a zero byte behind the signature")
        case("signature-longer-in-front", with_signature(signing_input, b"\0" + good), "a zero byte before it")
        case("signature-twice", with_signature(signing_input, good + good), "the signature twice")
        case("signature-one-byte", with_signature(signing_input, b"\0"), "a signature of one byte")
    signatures = {name: text_of(f"granted-{name}").rpartition(".")[2] for name in ("rs256", "ps256")}
    for name, other in (("rs256", "ps256"), ("ps256", "rs256")):
        refused(f"signature-of-{other}-on-{name}", origin, "signature_invalid", "the signature of another assertion",
                assertion=f"{text_of(f'granted-{name}').rpartition('.')[0]}.{signatures[other]}",
                control=f"granted-{name}")
    for alg, name in (("RS256", "rs256"), ("ES256", "es256"), ("EdDSA", "ed25519")):
        refused(f"attacker-{name}", "row 26; attack 4; CVE-2026-16093", "signature_invalid",
                "signed by the attacker, with the IdP's `kid`", alg=alg, key=f"attacker-{name}",
                head={"kid": f"test-acme-{name}"})
    refused("attack-21-psychic-signature", "attack 21; CVE-2022-21449", "signature_invalid", "r = s = 0",
            assertion=with_signature(text_of("granted-es256").rpartition(".")[0], bytes(64)),
            control="granted-es256")


def _rsa() -> None:
    origin = "RFC 8017 section 8.2.2; Wycheproof json_web_signature: PKCS#1 padding"
    signing_input = text_of("granted-rs256").rpartition(".")[0]
    digest = sign.sha256(signing_input.encode())
    info = SHA256_INFO + digest
    n = int.from_bytes(unb64u(jwk("acme-rs256")["n"]), "big")

    def block(info, first=b"\0\1", fill=b"\xff", after=b"", fill_length=None):
        length = 256 - len(first) - 1 - len(info) - len(after) if fill_length is None else fill_length
        return first + fill * length + b"\0" + info + after

    blocks = [
        ("padding-type-2", block(info, first=b"\0\2"), "block type 2"),
        ("padding-type-0", block(info, first=b"\0\0", fill=b"\0"), "block type 0"),
        ("padding-of-zeros", block(info, fill=b"\0"), "zeros for padding"),
        ("padding-one-byte-wrong", block(info)[:100] + b"\xfe" + block(info)[101:], "one byte of the padding"),
        ("padding-short-garbage-behind", block(info, after=b"\0" * 194, fill_length=8),
         "eight bytes of padding, and zeros behind the digest (CVE-2006-4339)"),
        ("padding-none-garbage-behind", block(info, after=b"\xaa" * 202, fill_length=0),
         "no padding, and garbage behind the digest"),
        ("padding-without-zero", b"\0\1" + b"\xff" * (254 - len(info)) + info, "no zero byte before the digest"),
        ("padding-two-zeros", block(b"\0" + info), "two zero bytes before the digest"),
        ("digest-without-parameters", block(bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + digest),
         "no NULL for parameters"),
        ("digest-with-empty-parameters", block(bytes.fromhex("3031300d060960864801650304020130000420") + digest),
         "an empty sequence for parameters"),
        ("digest-long-length", block(bytes.fromhex("308131300d060960864801650304020105000420") + digest),
         "a length in the long form (BER)"),
        ("digest-garbage-in-parameters",
         block(bytes.fromhex("303b301706096086480165030402010500") + b"\x04\x08garbage." + b"\x04\x20" + digest),
         "garbage behind the NULL (CVE-2006-4340)"),
        ("digest-bare", block(digest), "a digest without its name"),
        ("digest-named-sha1", block(bytes.fromhex("3021300906052b0e03021a05000414") + digest[:20]),
         "a digest that is named SHA-1"),
        ("digest-named-sha512", block(bytes.fromhex("3051300d060960864801650304020305000440") + digest * 2),
         "a digest that is named SHA-512"),
        ("digest-garbage-behind", block(info + b"\0"), "a byte behind the digest"),
        ("digest-of-nothing", block(SHA256_INFO + sign.sha256(b"")), "the digest of nothing"),
        ("digest-cut-off", block(info[:-1]), "a digest whose last byte is missing"),
    ]
    for name, text, differs in blocks:
        if len(text) != 256:
            raise SystemExit(f"{name}: {len(text)} bytes")
        refused(f"rs256-{name}", origin, "signature_invalid", differs,
                assertion=with_signature(signing_input, sign.raw_rsa(int.from_bytes(text, "big"), "acme-rs256")))
    good = int.from_bytes(unb64u(text_of("granted-rs256").rpartition(".")[2]), "big")
    refused("rs256-signature-plus-n", origin, "signature_invalid", "the modulus added to the signature",
            assertion=with_signature(signing_input, (good + n).to_bytes(257, "big")))
    refused("rs256-signature-is-n", origin, "signature_invalid", "the modulus as the signature",
            assertion=with_signature(signing_input, n.to_bytes(256, "big")))
    refused("rs256-signature-is-one", origin, "signature_invalid", "1 as the signature",
            assertion=with_signature(signing_input, (1).to_bytes(256, "big")))
    refused("rs256-signature-negated", origin, "signature_invalid", "n less the signature",
            assertion=with_signature(signing_input, (n - good).to_bytes(256, "big")))
    key = private_key("acme-rs256")
    for alg, digest_type in (("RS384", hashes.SHA384()), ("RS512", hashes.SHA512())):
        refused(f"rs256-made-as-{alg.lower()}", "RFC 7518 section 3.3", "signature_invalid", "signed with another digest",
                assertion=with_signature(signing_input, key.sign(signing_input.encode(), padding.PKCS1v15(), digest_type)))
    pss_input = text_of("granted-ps256").rpartition(".")[0]
    pss_key = private_key("acme-ps256")

    def pss(mask, salt, digest_type):
        return pss_key.sign(pss_input.encode(), padding.PSS(padding.MGF1(mask), salt), digest_type)

    sha256, sha1, sha512 = hashes.SHA256(), hashes.SHA1(), hashes.SHA512()
    for name, made, differs in (
        ("ps256-salt-of-0", lambda: pss(sha256, 0, sha256), "no salt"),
        ("ps256-salt-of-20", lambda: pss(sha256, 20, sha256), "a salt of 20 bytes"),
        ("ps256-salt-of-222", lambda: pss(sha256, 222, sha256), "the longest salt"),
        ("ps256-mask-of-sha1", lambda: pss(sha1, 32, sha256), "a mask made with SHA-1"),
        ("ps256-made-as-ps512", lambda: pss(sha512, 64, sha512), "signed with another digest"),
        ("ps256-made-as-rs256", lambda: pss_key.sign(pss_input.encode(), padding.PKCS1v15(), sha256),
         "signed with PKCS#1 v1.5"),
    ):
        refused(name, "RFC 7518 section 3.5; Wycheproof json_web_signature", "signature_invalid", differs,
                assertion=sign.kept(pss_input, name) or with_signature(pss_input, made()), control="granted-ps256")
    made = key.sign(signing_input.encode(), padding.PSS(padding.MGF1(sha256), 32), sha256)
    refused("rs256-made-as-ps256", "RFC 7518 section 3.3", "signature_invalid", "signed with PSS",
            assertion=sign.kept(signing_input, "rs256-made-as-ps256") or with_signature(signing_input, made))


def _elliptic() -> None:
    origin = "RFC 7518 section 3.4; Wycheproof json_web_signature, ecdsa p1363"
    signing_input, _, last = text_of("granted-es256").rpartition(".")
    good = unb64u(last)
    r, s = int.from_bytes(good[:32], "big"), int.from_bytes(good[32:], "big")

    def pair(r, s, size=32):
        return with_signature(signing_input, r.to_bytes(size, "big") + s.to_bytes(size, "big"))

    granted("es256-other-half", f"{origin}: s and n - s are both valid", assertion=pair(r, P256 - s))
    for name, text, differs in (
        ("r-zero", pair(0, s), "r = 0"), ("s-zero", pair(r, 0), "s = 0"),
        ("r-one-s-one", pair(1, 1), "r = s = 1"), ("r-order", pair(P256, s), "r is the order"),
        ("s-order", pair(r, P256), "s is the order"), ("r-order-s-order", pair(P256, P256), "both are the order"),
        ("swapped", pair(s, r), "r and s changed places"),
        ("in-33-bytes", pair(r, s, 33), "r and s in 33 bytes each"),
        ("in-48-bytes", pair(r, s, 48), "r and s as long as P-384 has them"),
    ):
        refused(f"es256-{name}", f"{origin}; attack 21", "signature_invalid", differs, assertion=text,
                control="granted-es256")
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    refused("es256-in-der", origin, "signature_invalid", "the signature in DER",
            assertion=with_signature(signing_input, encode_dss_signature(r, s)), control="granted-es256")
    origin = "RFC 8032 section 5.1.7; Wycheproof ed25519"
    signing_input, _, last = text_of("granted-eddsa").rpartition(".")
    good = unb64u(last)
    point, scalar = good[:32], int.from_bytes(good[32:], "little")
    for name, made, differs in (
        ("s-plus-order", point + (scalar + L).to_bytes(32, "little"), "the order added to S"),
        ("s-zero", point + bytes(32), "S = 0"), ("s-order", point + L.to_bytes(32, "little"), "S is the order"),
        ("r-zero", bytes(32) + good[32:], "R of zeros"),
        ("r-neutral", b"\1" + bytes(31) + good[32:], "R is the neutral element"),
        ("r-not-canonical", (2**255 - 18).to_bytes(32, "little") + good[32:], "an R that is not reduced"),
        ("swapped", good[32:] + good[:32], "R and S changed places"),
        ("prehashed", private_key("acme-ed25519").sign(sign.sha256(signing_input.encode())),
         "signed over the digest"),
    ):
        refused(f"eddsa-{name}", origin, "signature_invalid", differs, assertion=with_signature(signing_input, made),
                control="granted-eddsa")


def _other_bytes() -> None:
    """Signatures that are right, over bytes that are not the signing input."""
    head, body = header("RS256", "acme-rs256"), sign.compact(claims())
    first, second = b64u(sign.compact(head).encode()), b64u(body.encode())
    for name, data, differs in (
        ("over-payload-alone", second, "signed without the header"),
        ("over-unencoded-payload", f"{first}.{body}", "signed over the claims before encoding (RFC 7797)"),
        ("over-unencoded", f"{sign.compact(head)}.{body}", "signed before encoding"),
        ("over-nothing", "", "signed over nothing"),
        ("over-signing-input-with-dot", f"{first}.{second}.", "signed with the second dot"),
    ):
        made = sign.signature(data.encode(), "RS256", private_key("acme-rs256"))
        refused(f"signature-{name}", "RFC 7515 section 5.1", "signature_invalid", differs,
                assertion=with_signature(f"{first}.{second}", made))


def cases() -> None:
    """All of them."""
    noun("signature")
    _usual()
    _altered()
    _rsa()
    _elliptic()
    _other_bytes()
