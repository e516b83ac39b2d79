"""`iss` is a trusted, enabled IdP, byte for byte."""

from names import ACME, GLOBEX, ISSUER
from table import DROP, granted, noun, of, refused


def cases() -> None:
    """All of them."""
    noun("issuer")
    for name, value in (("missing", DROP), ("null", None), ("number", 1), ("array", [ACME]), ("object", {"a": ACME}),
                        ("boolean", True)):
        refused(f"iss-{name}", "RFC 7523 section 3; attack 25; CVE-2025-30144", "issuer_malformed",
                f"`iss` is {name}", claim={"iss": value})
    refused("iss-empty", "RFC 7523 section 3", "issuer_malformed", "an empty `iss`", claim={"iss": ""})
    for name, value, differs in (
        ("stranger", "https://evil.example", "an IdP that is not configured"),
        ("extra-slash", f"{ACME}/", "a slash at the end"),
        ("path", f"{ACME}/oauth2/default", "a path at the end"),
        ("upper-case", ACME.upper(), "in capitals"),
        ("host-in-capitals", "https://ACME.idp.example", "the host in capitals"),
        ("http", ACME.replace("https", "http"), "http instead of https"),
        ("port", f"{ACME}:443", "the default port written out"),
        ("substring", ACME[:-1], "its last letter is missing"),
        ("substring-of-front", ACME[1:], "its first letter is missing"),
        ("longer", f"{ACME}.evil.example", "the name continues"),
        ("userinfo", "https://acme.idp.example@evil.example", "the trusted name as user information"),
        ("space-behind", f"{ACME} ", "a space behind it"),
        ("nul-behind", f"{ACME}\0", "a NUL behind it"),
        ("homograph", ACME.replace("a", "\u0430", 1), "a Cyrillic letter"),
        ("percent-encoded", ACME.replace("acme", "%61cme"), "a letter percent-encoded"),
        ("two-with-space", f"{ACME} https://evil.example", "two names with a space between"),
    ):
        refused(f"iss-{name}", "row 26, 28; attack 25; CVE-2024-53861", "issuer_untrusted", differs,
                claim={"iss": value})
    refused("iss-is-ours", "row 27", "issuer_is_self", "our own issuer", claim={"iss": ISSUER})
    refused("iss-is-ours-signed-by-us", "row 27, 71", "issuer_is_self", "our own issuer, signed by our own key",
            claim={"iss": ISSUER}, alg="EdDSA", key="token-ed25519")
    granted("iss-with-slash", "row 28", world="issuer-with-slash", claim={"iss": f"{ACME}/"})
    refused("iss-without-slash", "row 28", "issuer_untrusted", "without the slash that is configured",
            world="issuer-with-slash", control="iss-with-slash")
    refused("attack-01-idp-switched-off", "attack 1; CVE-2026-1486", "issuer_disabled",
            "the IdP is switched off", world="idp-switched-off", assertion=of("granted-rs256"))
    refused("idp-switched-off-forged", "attack 1; CVE-2026-1486", "issuer_disabled",
            "the IdP is switched off; the signature is not looked at", world="idp-switched-off", alg="RS256",
            key="attacker-rs256", head={"kid": "test-acme-rs256"})
    partner = {"iss": GLOBEX, "groups": ["partners"]}
    granted("idp-second", "row 26", world="two-idps", claim=partner, alg="RS256", key="globex-rs256")
    refused("idp-second-where-it-is-unknown", "row 26", "issuer_untrusted", "a world without the second IdP",
            assertion=of("idp-second"), control="idp-second")
    refused("idp-second-alg-of-the-first", "row 17", "alg_not_allowed", "an algorithm that only the first IdP's list has",
            world="two-idps", claim=partner, alg="EdDSA", key="attacker-ed25519", control="idp-second")
    refused("idp-second-with-key-of-the-first", "row 19; attack 3", "kid_unknown",
            "signed by the first IdP in the second one's name", world="two-idps", claim=partner, alg="RS256",
            key="acme-rs256", control="idp-second")
    refused("idp-second-with-key-of-the-first-renamed", "row 19; attack 3", "signature_invalid",
            "signed by the first IdP, with the second one's `kid`", world="two-idps", claim=partner, alg="RS256",
            key="acme-rs256", head={"kid": "test-globex-rs256"}, control="idp-second")
