"""`exp`, `iat`, `nbf`, lifetime and age, with 30 seconds of leeway."""

import sign
from names import EXP, IAT, NOW
from table import DROP, claims, granted, noun, of, refused

WRONG_TYPES = (
    ("string", "1784527576"), ("boolean", True), ("null", None), ("array", [EXP]), ("object", {"t": EXP}),
)


def written(member: str, text: str) -> str:
    """The usual claims with `member` written as `text`."""
    return sign.compact(claims(**{member: "@"})).replace('"@"', text)


def _exp() -> None:
    origin = "row 33; RFC 7519 section 4.1.4"
    refused("exp-missing", f"{origin}; attack 8", "exp_malformed", "no `exp`", claim={"exp": DROP})
    for name, value in WRONG_TYPES:
        refused(f"exp-{name}", f"{origin}; attack 23; CVE-2026-25537", "exp_malformed", f"`exp` is of type {name}",
                claim={"exp": value})
    refused("exp-beyond-numbers", origin, ["exp_malformed", "json_invalid"], "`exp` is 1e400",
            payload=written("exp", "1e400"))
    refused("exp-huge", origin, "exp_malformed", "`exp` is 1e300", payload=written("exp", "1e300"))
    refused("exp-beyond-64-bits", origin, ["exp_malformed", "lifetime_exceeded", "json_invalid"],
            "`exp` is 2 to the 64", payload=written("exp", "18446744073709551616"))
    refused("exp-63-bits", origin, ["exp_malformed", "lifetime_exceeded"], "`exp` is 2 to the 63 less one",
            payload=written("exp", "9223372036854775807"))
    refused("exp-negative-63-bits", origin, ["exp_malformed", "expired"], "`exp` is -2 to the 63",
            payload=written("exp", "-9223372036854775808"))
    refused("exp-zero", origin, "expired", "`exp` is 0", claim={"exp": 0})
    refused("exp-negative", origin, "expired", "`exp` is -1", claim={"exp": -1})
    refused("exp-milliseconds", origin, "lifetime_exceeded", "`exp` is in milliseconds", claim={"exp": EXP * 1000})
    granted("exp-fraction", "RFC 7519 section 2", payload=written("exp", "1784527575.5"))
    granted("exp-exponent", "RFC 7519 section 2", payload=written("exp", "1.7845275e9"))
    short = {"iat": NOW - 89, "exp": NOW - 29}
    granted("exp-within-leeway", origin, claim=short)
    refused("exp-beyond-leeway", origin, "expired", "a second later", assertion=of("exp-within-leeway"),
            now=NOW + 1, control="exp-within-leeway")
    granted("exp-fraction-within-leeway", origin, claim={"iat": NOW - 89, "exp": NOW - 28.5})
    refused("exp-fraction-beyond-leeway", origin, "expired", "a second later; a fraction is never in favour",
            assertion=of("exp-fraction-within-leeway"), now=NOW + 1, control="exp-fraction-within-leeway")
    refused("exp-long-past", origin, "expired", "an hour later", assertion=of("granted-rs256"), now=NOW + 3600)
    refused("attack-28-expired-and-forged", "attack 28; CVE-2024-51744", "expired", "an hour later, and forged",
            alg="RS256", key="attacker-rs256", head={"kid": "test-acme-rs256"}, now=NOW + 3600)


def _iat_and_nbf() -> None:
    origin = "row 34; draft section 3.1"
    refused("iat-missing", origin, "iat_malformed", "no `iat`", claim={"iat": DROP})
    for name, value in WRONG_TYPES:
        refused(f"iat-{name}", origin, "iat_malformed", f"`iat` is of type {name}", claim={"iat": value})
    refused("iat-beyond-numbers", origin, ["iat_malformed", "json_invalid"], "`iat` is -1e400",
            payload=written("iat", "-1e400"))
    refused("iat-negative-63-bits", origin, ["iat_malformed", "lifetime_exceeded"], "`iat` is -2 to the 63",
            payload=written("iat", "-9223372036854775808"))
    refused("iat-63-bits", origin, ["iat_malformed", "issued_in_future"], "`iat` is 2 to the 63 less one",
            payload=written("iat", "9223372036854775807"))
    granted("iat-within-leeway", origin, claim={"iat": NOW + 30, "exp": NOW + 276})
    refused("iat-in-the-future", origin, "issued_in_future", "a second earlier", assertion=of("iat-within-leeway"),
            now=NOW - 1, control="iat-within-leeway")
    granted("iat-fraction", "RFC 7519 section 2", claim={"iat": NOW + 29.5, "exp": NOW + 276})
    refused("iat-fraction-in-the-future", origin, "issued_in_future", "a second earlier",
            assertion=of("iat-fraction"), now=NOW - 1, control="iat-fraction")
    for name, value in WRONG_TYPES:
        refused(f"nbf-{name}", "row 36; attack 23; CVE-2026-25537", "nbf_malformed", f"`nbf` is of type {name}",
                claim={"nbf": value}, control="nbf-past")
    granted("nbf-past", "row 36; RFC 7519 section 4.1.5", claim={"nbf": IAT})
    granted("nbf-within-leeway", "row 36; RFC 7519 section 4.1.5", claim={"nbf": NOW + 30})
    refused("nbf-in-the-future", "row 36; RFC 7519 section 4.1.5", "not_yet_valid", "a second earlier",
            assertion=of("nbf-within-leeway"), now=NOW - 1, control="nbf-within-leeway")


def _lifetime() -> None:
    origin = "row 35"
    granted("lifetime-300", origin, claim={"iat": NOW, "exp": NOW + 300})
    refused("lifetime-301", origin, "lifetime_exceeded", "a second longer", claim={"iat": NOW, "exp": NOW + 301},
            control="lifetime-300")
    refused("lifetime-fraction", origin, "lifetime_exceeded", "begins half a second earlier, ends a second later",
            claim={"iat": NOW - 0.5, "exp": NOW + 301}, control="lifetime-300")
    refused("lifetime-of-an-hour", origin, "lifetime_exceeded", "an hour", claim={"iat": NOW, "exp": NOW + 3600},
            control="lifetime-300")
    granted("lifetime-3600-configured", origin, world="lifetime-3600", claim={"iat": NOW, "exp": NOW + 3600})
    refused("lifetime-3601-configured", origin, "lifetime_exceeded", "a second longer", world="lifetime-3600",
            claim={"iat": NOW, "exp": NOW + 3601}, control="lifetime-3600-configured")
    granted("lifetime-120-configured", origin, world="lifetime-120", claim={"iat": NOW, "exp": NOW + 120})
    refused("lifetime-121-configured", origin, "lifetime_exceeded", "a second longer", world="lifetime-120",
            claim={"iat": NOW, "exp": NOW + 121}, control="lifetime-120-configured")
    granted("lifetime-zero", origin, claim={"iat": NOW, "exp": NOW})
    refused("lifetime-negative", origin, "lifetime_exceeded", "ends a second before it begins",
            claim={"iat": NOW, "exp": NOW - 1}, control="lifetime-zero")
    granted("age-at-its-end", origin, claim={"iat": NOW - 329, "exp": NOW - 29})


def _cold_start() -> None:
    origin = "row 38; replay.cold_start"
    granted("issued-after-start", origin, world="cold-start-refuse", claim={"iat": NOW - 5, "exp": NOW + 276},
            start=NOW - 10)
    granted("issued-before-start-within-leeway", origin, world="cold-start-refuse",
            claim={"iat": NOW - 30, "exp": NOW + 240}, start=NOW)
    refused("issued-before-start", origin, "issued_before_start", "the engine started a second later",
            world="cold-start-refuse", assertion=of("issued-before-start-within-leeway"), start=NOW + 1,
            now=NOW + 1, control="issued-before-start-within-leeway")
    granted("issued-before-start-accepted", origin, assertion=of("issued-before-start-within-leeway"),
            start=NOW + 1, now=NOW + 1)


def cases() -> None:
    """All of them."""
    noun("time")
    _exp()
    _iat_and_nbf()
    _lifetime()
    _cold_start()
