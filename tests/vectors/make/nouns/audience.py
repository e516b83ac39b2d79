"""`aud` is this authorization server and nothing else."""

from names import ACME, CHAT, CLIENT, ISSUER
from table import DROP, granted, noun, of, refused


def cases() -> None:
    """All of them."""
    noun("audience")
    granted("aud-array-of-one", "row 29; draft section 4.4.1", claim={"aud": [ISSUER]})
    for name, value, differs in (
        ("missing", DROP, "no `aud`"),
        ("null", None, "`aud` is null"),
        ("number", 1, "`aud` is a number"),
        ("boolean", True, "`aud` is true"),
        ("object", {"0": ISSUER}, "`aud` is an object"),
        ("array-empty", [], "an empty array (attack 26; CVE-2020-26160)"),
        ("array-of-two", [ISSUER, "https://other.example/"], "a second element"),
        ("array-of-two-ours-last", ["https://other.example/", ISSUER], "another element before it"),
        ("array-of-two-the-same", [ISSUER, ISSUER], "the same element twice"),
        ("array-of-two-types", [ISSUER, 1], "a number behind it"),
        ("array-of-number", [1], "an array of a number"),
        ("array-of-null", [None], "an array of null"),
        ("array-of-array", [[ISSUER]], "an array in the array"),
    ):
        control = "aud-array-of-one" if name.startswith("array") else None
        refused(f"aud-{name}", "row 30; RFC 7523 section 3", "audience_malformed", differs, claim={"aud": value},
                control=control)
    for name, value, differs in (
        ("stranger", "https://auth.other.example/", "another authorization server"),
        ("stranger-in-array", ["https://auth.other.example/"], "another authorization server, in an array"),
        ("without-slash", ISSUER[:-1], "without its slash"),
        ("two-slashes", f"{ISSUER}/", "a second slash"),
        ("token-endpoint", f"{ISSUER}token", "the token endpoint"),
        ("resource", CHAT, "the resource"),
        ("client", CLIENT, "the client: an ID token"),
        ("idp", ACME, "the IdP itself"),
        ("upper-case", ISSUER.upper(), "in capitals"),
        ("prefix", ISSUER[:-2], "its last letter is missing"),
        ("longer", "https://auth.chat.example/.evil.example/", "the name continues"),
        ("http", ISSUER.replace("https", "http"), "http instead of https"),
        ("space-behind", f"{ISSUER} ", "a space behind it"),
        ("list-in-a-string", f"{ISSUER} https://other.example/", "two names in a string"),
    ):
        refused(f"aud-{name}", "row 30; draft section 4.4.1", "audience_mismatch", differs, claim={"aud": value},
                control="aud-array-of-one" if isinstance(value, list) else None)
    refused("aud-empty", "row 30", ["audience_malformed", "audience_mismatch"], "an empty `aud`", claim={"aud": ""})
    granted("aud-alias", "row 30", world="audience-aliases", claim={"aud": ISSUER[:-1]})
    granted("aud-issuer-beside-alias", "row 30", world="audience-aliases", assertion=of("granted-rs256"))
    refused("aud-alias-not-configured", "row 30", "audience_mismatch", "no alias is configured",
            assertion=of("aud-alias"), control="aud-alias")
    refused("aud-alias-with-slashes", "row 30", "audience_mismatch", "two slashes behind the alias",
            world="audience-aliases", claim={"aud": f"{ISSUER}/"}, control="aud-alias")
