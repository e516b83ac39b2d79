"""Size, three parts, base64url, JSON."""

from joserfc import jwe
from joserfc.jwk import import_key

import sign
from keys import b64u, jwk
from names import JTI, TYP
from table import claims, expand, granted, header, noun, refused, text_of

CLAIMS = sign.compact(claims())


def swapped(old: str, new: str) -> str:
    """The usual claims with one stretch of their text replaced."""
    if CLAIMS.count(old) != 1:
        raise SystemExit(f"`{old}` stands {CLAIMS.count(old)} times")
    return CLAIMS.replace(old, new)


def with_member(text: str) -> str:
    """The usual claims with more text before the closing brace."""
    return f"{CLAIMS[:-1]},{text}}}"


def in_parts(before: str, filler: str, times: int, after: str, head: dict | None = None) -> list:
    """A really signed assertion whose payload is `before`, `filler` repeated, `after`; written as parts."""
    payload = [before, {"repeat": filler, "times": times}, after]
    made = sign.by_hand(
        sign.compact(head or header("RS256", "acme-rs256")), expand(payload), "RS256", "acme-rs256"
    )
    first, _, last = made.split(".")
    return [f"{first}.", {"base64url": payload}, f".{last}"]


def of_length(length: int) -> list:
    """A valid assertion of exactly `length` characters: a member of the payload and one of the header are stretched."""
    for stretch in range(4):
        head = header("RS256", "acme-rs256", x_pad="x" * stretch)
        for times in range(length):
            size = len(CLAIMS) + len(',"pad":""') + times
            total = len(b64u(sign.compact(head).encode())) + 2 + (size * 4 + 2) // 3 + 342
            if total == length:
                parts = in_parts(f'{CLAIMS[:-1]},"pad":"', "a", times, '"}', head)
                if len(expand(parts)) != length:
                    raise SystemExit("miscounted")
                return parts
            if total > length:
                break
    raise SystemExit(f"no assertion of {length} characters")


def _size_and_parts() -> None:
    granted("assertion-of-16384", "row 6", assertion=of_length(16384))
    refused("assertion-of-16385", "row 6; attack 31", "assertion_too_large", "one character longer",
            assertion=of_length(16385), control="assertion-of-16384")
    granted("assertion-within-configured-size", "row 6", world="assertion-of-1024", assertion=of_length(1024))
    refused("assertion-above-configured-size", "row 6", "assertion_too_large", "one character longer",
            world="assertion-of-1024", assertion=of_length(1025), control="assertion-within-configured-size")
    refused("dots-only-huge", "attack 30; CVE-2025-30204", "assertion_too_large", "16 MiB of dots instead",
            assertion=[{"repeat": ".", "times": 16 << 20}])
    refused("dots-only", "attack 30; CVE-2025-30204", "assertion_malformed", "16,384 dots instead",
            assertion=[{"repeat": ".", "times": 16384}])
    refused("empty", "RFC 7515 section 3.1", "assertion_malformed", "nothing instead", assertion="")
    first, second, third = text_of("granted-rs256").split(".")
    for name, text, differs in (
        ("no-dots", first + second + third, "without its dots"),
        ("two-parts", f"{first}.{second}", "without its signature and the dot before it"),
        ("four-parts", f"{first}.{second}.{third}.", "one more dot at the end"),
        ("four-parts-before", f".{first}.{second}.{third}", "one more dot at the beginning"),
        ("six-parts", f"{first}.{second}.{third}...", "three more dots at the end"),
        ("one-part", first, "the header alone"),
        ("json-serialization",
         sign.compact({"payload": second, "protected": first, "signature": third}),
         "in the flattened JSON serialization (RFC 7515 section 7.2.2)"),
        ("json-serialization-general",
         sign.compact({"payload": second, "signatures": [{"protected": first, "signature": third}]}),
         "in the general JSON serialization (RFC 7515 section 7.2.1)"),
    ):
        refused(name, "RFC 7515 section 7.1; Wycheproof json_web_signature", "assertion_malformed", differs,
                assertion=text)
    refused("five-parts", "row 68", "assertion_encrypted", "two more dots at the end",
            assertion=f"{first}.{second}.{third}..")
    refused("empty-header", "RFC 7515 section 7.1", "json_invalid", "an empty header", assertion=f".{second}.{third}")
    refused("empty-payload", "RFC 7515 section 7.1; Wycheproof json_web_signature", "json_invalid",
            "an empty payload", assertion=f"{first}..{third}")
    refused("empty-parts", "RFC 7515 section 7.1", "json_invalid", "two dots alone", assertion="..")
    refused("parts-in-another-order", "RFC 7515 section 7.1", ["typ_invalid", "header_not_allowed"],
            "payload and header changed places", assertion=f"{second}.{first}.{third}")


def _encrypted() -> None:
    inner = text_of("granted-rs256")
    plain = f"{b64u(sign.compact({'typ': TYP, 'alg': 'none'}).encode())}.{inner.split('.')[1]}."
    key = import_key({k: v for k, v in jwk("acme-rsa-one").items() if k != "use"})
    for name, text, differs in (
        ("jwe-with-signed-jwt", inner, "the same assertion encrypted, RSA-OAEP-256"),
        ("attack-19-jwe-with-unsigned-jwt", plain, "an unsigned one, encrypted to a public key"),
    ):
        origin = "row 68" if text is inner else "attack 19; CVE-2026-29000"
        made = sign.kept("", name) or jwe.encrypt_compact(
            {"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT"}, text, key,
            algorithms=["RSA-OAEP-256", "A256GCM"],
        )
        refused(name, origin, "assertion_encrypted", differs, assertion=made,
                made_by=sign.library_name("joserfc"))
    for name, members, origin in (
        ("attack-32-pbes2-count", {"alg": "PBES2-HS256+A128KW", "p2s": "c2FsdHNhbHQ", "p2c": 2147483647,
                                   "enc": "A128GCM"}, "attack 32; CVE-2022-36083"),
        ("attack-32-zip-bomb", {"alg": "dir", "enc": "A256GCM", "zip": "DEF"}, "attack 32; CVE-2024-28176"),
    ):
        refused(name, origin, "assertion_encrypted", "a JWE that is costly to open",
                assertion=f"{b64u(sign.compact(members).encode())}..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA")


def _base64url() -> None:
    origin = "row 77; RFC 7515 section 2; Wycheproof json_web_signature"
    inner = text_of("granted-rs256")
    first, second, third = inner.split(".")
    # The signature of RS256 with 2048 bits is 342 characters: its last character carries four unused bits.
    last = third[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    tail = alphabet[alphabet.index(last) | 1]
    edits = [
        ("padding-on-signature", f"{first}.{second}.{third}==", "padding behind the signature"),
        ("padding-on-header", f"{first}=.{second}.{third}", "padding behind the header"),
        ("padding-on-payload", f"{first}.{second}=.{third}", "padding behind the payload"),
        ("unused-bits-set", f"{first}.{second}.{third[:-1]}{tail}", "an unused bit of the last character is set"),
        ("length-of-one-more", f"{first}.{second}.{third}AAA", "a length that no base64url text has"),
        ("space-before", f" {inner}", "a space before it"),
        ("newline-before", f"\n{inner}", "a newline before it (as in CVE-2023-48223's bypass)"),
        ("newline-after", f"{inner}\n", "a newline behind it"),
        ("newline-inside", f"{first}.{second[:64]}\n{second[64:]}.{third}", "a newline within the payload"),
        ("tab-inside", f"{first}.{second}.\t{third}", "a tab before the signature"),
        ("nul-after", f"{inner}\0", "a NUL behind it"),
        ("nul-inside", f"{first}.{second}\0.{third}", "a NUL behind the payload"),
        ("non-ascii-inside", f"{first}.{second}.{third[:-1]}\u00e9", "a letter outside ASCII in the signature"),
        ("full-width-dot", f"{first}.{second}.{third}\uff0e", "a full-width dot behind it"),
        ("percent-encoded", f"{first}.{second}.{third[:-1]}%41", "a percent-encoded character in the signature"),
        ("prefix-bearer", f"Bearer {inner}", "the word Bearer before it"),
        ("quotes-around", f'"{inner}"', "quotation marks around it"),
    ]
    for name, text, differs in edits:
        refused(name, origin, "encoding_invalid", differs, assertion=text)
    for char, other, name in (("-", "+", "plus-for-minus"), ("_", "/", "slash-for-underscore")):
        at = next(part for part in ("signature",) if char in third)
        refused(name, origin, "encoding_invalid", f"`{other}` in place of `{char}` in the {at}",
                assertion=f"{first}.{second}.{third.replace(char, other, 1)}")


def _json() -> None:
    origin = "row 76; RFC 8259"
    granted("json-with-white-space", "RFC 8259 section 2",
            payload="\n{" + CLAIMS[1:-1].replace('","', '" ,\r\n\t"') + " }\n")
    granted("json-with-escapes", "RFC 8259 section 7",
            payload=swapped('"iss":"https://acme', '"\\u0069ss":"https:\\/\\/acme'))
    granted("member-names-differ-in-case", "RFC 8259 section 8.3", payload=with_member('"Sub":"a","SUB":"b"'))
    granted("json-nested", "row 76", payload=with_member(f'"x":{"[" * 8}{"]" * 8}'))
    many = ",".join(f'"m{n}":0' for n in range(240))
    granted("json-many-members", "row 76", payload=with_member(many))
    for name, text, differs in (
        ("json-array", f"[{CLAIMS}]", "the claims in an array"),
        ("json-string", '"{}"', "a string in place of the claims"),
        ("json-number", "1", "a number in place of the claims"),
        ("json-null", "null", "null in place of the claims"),
        ("json-nothing", " ", "a space in place of the claims"),
        ("json-after-the-object", f"{CLAIMS}{{}}", "a second object behind the claims"),
        ("json-cut-off", CLAIMS[:-1], "the last brace is missing"),
        ("json-trailing-comma", f"{CLAIMS[:-1]},}}", "a comma before the last brace"),
        ("json-single-quotes", CLAIMS.replace('"', "'"), "single quotes"),
        ("json-comment", f"{CLAIMS[:-1]}/**/}}", "a comment"),
        ("json-byte-order-mark", f"\ufeff{CLAIMS}", "a byte order mark before the claims"),
        ("json-control-character", swapped(JTI, JTI + "\x01"), "a bare control character in a string"),
        ("json-bad-escape", swapped(JTI, JTI + "\\x"), "an escape that JSON does not have"),
        ("json-lone-surrogate", swapped(JTI, JTI + "\\ud800"), "an escaped surrogate without its partner"),
        ("json-surrogates-reversed", swapped(JTI, JTI + "\\udc00\\ud800"), "escaped surrogates in reverse order"),
        ("json-lone-surrogate-in-ignored-claim", with_member('"x":"\\udfff"'),
         "an escaped surrogate without its partner, in a claim that is ignored"),
        ("json-leading-zero", with_member('"x":01'), "a number with a leading zero"),
        ("json-nan", with_member('"x":NaN'), "NaN"),
        ("json-infinity", with_member('"x":Infinity'), "Infinity"),
        ("json-hexadecimal", with_member('"x":0x10'), "a hexadecimal number"),
        ("json-utf16", CLAIMS.encode("utf-16-le"), "in UTF-16"),
        ("utf8-invalid", CLAIMS.encode().replace(b"eng", b"\xff"), "a byte that is not UTF-8"),
        ("utf8-overlong", CLAIMS.encode().replace(b"eng", b"\xc0\xaf"), "an overlong UTF-8 sequence"),
        ("utf8-surrogate", CLAIMS.encode().replace(b"eng", b"\xed\xa0\x80"), "a surrogate in UTF-8"),
        ("utf8-cut-off", CLAIMS.encode().replace(b"eng", b"\xe2\x82"), "a UTF-8 sequence that is cut off"),
    ):
        refused(name, origin, "json_invalid", differs, payload=text)
    good = sign.compact(header("RS256", "acme-rs256"))
    for name, text, differs in (
        ("header-json-array", f"[{good}]", "the header in an array"),
        ("header-json-after-the-object", f"{good} x", "text behind the header"),
        ("header-utf8-invalid", good.encode().replace(b"test-", b"\xff"), "a byte in the header that is not UTF-8"),
    ):
        refused(name, origin, "json_invalid", differs, header_text=text)
    for name, text, differs in (
        ("duplicate-sub", with_member('"sub":"00u1a2b3c4d5e6f7g8h9"'), "`sub` stands twice"),
        ("duplicate-sub-escaped", with_member('"s\\u0075b":"someone-else"'), "`sub` again, its name escaped"),
        ("duplicate-exp", with_member('"exp":1784527576'), "`exp` stands twice"),
        ("duplicate-ignored", with_member('"x":1,"x":1'), "a member that is ignored stands twice"),
        ("duplicate-in-act", with_member('"act":{"sub":"a","sub":"b"}'), "`sub` stands twice in `act`"),
        ("duplicate-deep-in-ignored", with_member('"x":[{"y":{"z":1,"z":2}}]'), "a member stands twice, deep inside"),
        ("duplicate-empty-name", with_member('"":1,"":2'), "the empty name stands twice"),
        ("duplicate-among-many", with_member(f'{many},"m7":0'), "one of many members stands twice"),
    ):
        refused(name, "row 76; RFC 8725 section 3.11", "json_duplicate_member", differs, payload=text,
                control="json-many-members" if name == "duplicate-among-many" else None)
    for name, text, differs in (
        ("header-duplicate-alg", f'{good[:-1]},"alg":"RS256"}}', "`alg` stands twice in the header"),
        ("header-duplicate-kid", f'{good[:-1]},"kid":"other"}}', "`kid` stands twice in the header"),
        ("header-duplicate-typ", f'{{"typ":"JWT",{good[1:]}', "`typ` stands twice in the header"),
    ):
        refused(name, "row 76; RFC 7515 section 4", "json_duplicate_member", differs, header_text=text)
    refused("json-nested-too-deep", "row 76", "json_too_complex", "6,000 arrays in one another, never closed",
            assertion=in_parts(f'{CLAIMS[:-1]},"x":', "[", 6000, ""), control="json-nested")
    refused("json-nested-too-deep-and-closed", "row 76", "json_too_complex", "100 arrays in one another",
            payload=with_member(f'"x":{"[" * 100}{"]" * 100}'), control="json-nested")
    refused("json-nested-objects", "row 76", "json_too_complex", "1,500 objects in one another",
            assertion=in_parts(f'{CLAIMS[:-1]},"x":', '{"a":', 1500, ""), control="json-nested")
    refused("json-too-many-members", "row 76", "json_too_complex", "300 members",
            payload=with_member(",".join(f'"m{n}":0' for n in range(300))), control="json-many-members")
    refused("header-nested-too-deep", "row 76", "json_too_complex", "100 arrays in one another, in the header",
            header_text=f'{good[:-1]},"x":{"[" * 100}{"]" * 100}}}', control="json-nested")
    granted("long-strings-and-escapes", "row 76; attack 31",
            assertion=in_parts(f'{CLAIMS[:-1]},"x":"', "\\u00e9", 1500, '"}'))
    granted("many-elements", "row 76", assertion=in_parts(f'{CLAIMS[:-1]},"x":[0', ",0", 3000, "]}"))


def cases() -> None:
    """All of them."""
    noun("form")
    _size_and_parts()
    _encrypted()
    _base64url()
    _json()
