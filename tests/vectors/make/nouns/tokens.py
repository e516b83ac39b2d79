"""Our access tokens: minted, verified, and mistaken for something else."""

import sign
from keys import b64u, jwk, public, unb64u
from names import ACME, CHAT, CLIENT, FILES, ISSUER, NOTES, NOW, SUB
from table import (
    DROP, granted, invalid, merged, noun, of, refused, valid, verification,
)

BEARER = {"sub": SUB, "client_id": CLIENT, "idp": ACME, "resource": CHAT, "scope": "chat.read", "groups": ["eng"]}


def minted(name: str) -> dict:
    """The access token that case `name` is granted, by reference."""
    return {"token_of": name}


def forged(claim=None, head=None, alg="EdDSA", key="token-ed25519", payload=None):
    """An access token made by hand, with our own key unless `key` says otherwise."""
    header = merged({"kid": jwk("token-ed25519")["kid"], "typ": "at+jwt", "alg": alg}, head)
    body = merged({
        "iss": ISSUER, "sub": SUB, "aud": CHAT, "client_id": CLIENT, "scope": "chat.read", "iat": NOW - 10,
        "exp": NOW + 3590, "jti": "dGVzdC1hY2Nlc3MtdG9rZW4tMDAwMQ", "idp": ACME, "groups": ["eng"],
    }, claim)
    return sign.by_hand(sign.compact(header), payload or sign.compact(body), alg, key)


def _minted() -> None:
    origin = "row 70; RFC 9068"
    for alg in ("es256", "rs256", "hs256"):
        granted(f"token-with-{alg}", origin, world=f"tokens-{alg}", assertion=of("granted-rs256"))
        valid(f"token-with-{alg}-valid", origin, world=f"tokens-{alg}", token=minted(f"token-with-{alg}"), out=BEARER)
    granted("token-of-the-first-key", origin, world="tokens-rotated", assertion=of("granted-rs256"))
    valid("token-valid", origin, token=minted("granted-rs256"), out=BEARER)
    valid("token-valid-in-its-last-second", origin, token=minted("granted-rs256"), out=BEARER, now=NOW + 3599)
    valid("token-valid-again", "attack 10", token=minted("granted-rs256"), out=BEARER,
          before=[verification(minted("granted-rs256"), {"valid": BEARER})])
    actor = {"sub": "actor-1"}
    valid("token-with-act", origin, token=minted("act"), out={**BEARER, "act": actor})
    valid("token-with-tenant", origin, world="two-tenants", token=minted("tenant-listed"),
          out={**BEARER, "tenant": "t-one"})
    valid("token-after-rotation", "RFC 7517 section 5", world="tokens-rotated", token=minted("granted-rs256"), out=BEARER)
    invalid("token-after-replacement", "RFC 7517 section 5", "token_signature_invalid", "our old key is gone",
            world="tokens-replaced", token=minted("granted-rs256"), control="token-after-rotation")
    invalid("token-expired", "RFC 9068 section 4", "token_expired", "an hour and a minute later",
            token=minted("granted-rs256"), now=NOW + 3660, control="token-valid-in-its-last-second")
    invalid("token-expired-though-it-was-valid", "attack 10; interfaces: verify", "token_expired",
            "it was verified when it was valid, an hour and a minute before", token=minted("granted-rs256"),
            now=NOW + 3660, before=[verification(minted("granted-rs256"), {"valid": BEARER}, now=NOW)],
            control="token-valid-again")
    for name, resource in (("another", NOTES), ("not-served", FILES), ("without-slash", CHAT[:-1]), ("longer", f"{CHAT}mcp"),
                           ("empty", ""), ("our-issuer", ISSUER)):
        invalid(f"token-at-{name}", "RFC 9068 section 4; row 70", "token_audience_mismatch",
                "presented at another resource", token=minted("granted-rs256"), resource=resource,
                control="token-valid")
    valid("token-of-second-resource", origin, world="resource-list", token=minted("resource-second-of-connector"),
          resource=f"{CHAT}v2", out={**BEARER, "resource": f"{CHAT}v2"})
    invalid("token-at-the-other-resource-of-its-connector", "RFC 9068 section 4", "token_audience_mismatch",
            "presented at the connector's other resource", world="resource-list",
            token=minted("resource-second-of-connector"), resource=CHAT, control="token-of-second-resource")


def _decided_again() -> None:
    origin = "row 72; interfaces: verify never answers from signature and expiry alone"
    both = {**BEARER, "scope": "chat.read chat.history"}
    valid("token-of-two-scopes", origin, token=minted("scope-all-that-is-granted"), out=both)
    valid("token-of-two-scopes-after-narrowing", origin, world="eng-reads-only",
          token=minted("scope-all-that-is-granted"), out=BEARER)
    granted("scope-history", origin, scope="chat.history", claim={"scope": "chat.history"})
    valid("token-for-history", origin, token=minted("scope-history"), out={**BEARER, "scope": "chat.history"})
    invalid("token-for-history-after-narrowing", origin, "token_no_longer_granted",
            "the grant lost the token's only scope", world="eng-reads-only", token=minted("scope-history"),
            control="token-for-history")
    for world, differs in (
        ("eng-has-nothing", "no grant names the group any more"),
        ("connector-suspended", "the connector is suspended"), ("connector-retired", "the connector is retired"),
        ("client-switched-off", "the client is switched off"), ("idp-switched-off", "the IdP is switched off"),
        ("okta", "the IdP is not configured any more"), ("todos", "client and connector are gone"),
    ):
        invalid(f"token-when-{world}", origin, "token_no_longer_granted", differs, world=world,
                token=minted("granted-rs256"), control="token-valid")
    valid("token-of-a-person-in-the-directory", origin, world="directory", token=minted("directory-gives-groups"),
          out=BEARER)
    invalid("token-of-a-person-who-left", origin, "token_no_longer_granted", "the person is switched off",
            world="directory-after-leaving", token=minted("directory-gives-groups"),
            control="token-of-a-person-in-the-directory")
    valid("token-of-everyone", origin, world="everyone", token=minted("everyone"), out={**BEARER, "groups": []})
    invalid("token-of-everyone-where-groups-count", origin, "token_no_longer_granted",
            "a policy without a grant to everyone", token=minted("everyone"), control="token-of-everyone")


def _mistaken() -> None:
    origin = "row 71; RFC 8725 section 3.12"
    refused("access-token-as-assertion", origin, "typ_invalid", "an access token of ours",
            assertion=minted("granted-rs256"))
    refused("access-token-as-assertion-renamed", origin, "issuer_is_self", "an access token of ours, with our `typ` changed",
            assertion=forged(head={"typ": "oauth-id-jag+jwt"}))
    invalid("id-jag-as-access-token", origin, "token_malformed", "an ID-JAG", token=of("granted-rs256"),
            control="token-valid")
    valid("token-made-by-hand", "RFC 9068: another node with the same key", token=forged(), out=BEARER)
    for typ, differs in ((DROP, "no `typ`"), ("JWT", "`typ` is JWT"), ("application/at+jwt", "the long form"),
                         ("AT+JWT", "in capitals"), ("oauth-id-jag+jwt", "`typ` of an ID-JAG"), (1, "`typ` is a number")):
        name = {DROP: "missing", 1: "number"}.get(typ) or typ.lower().replace("/", "-").replace("+", "-")
        name = "capitals" if typ == "AT+JWT" else name
        invalid(f"token-typ-{name}", origin, "token_malformed", differs, token=forged(head={"typ": typ}),
                control="token-made-by-hand")
    bad = "token_signature_invalid"
    malformed = "token_malformed"
    text = forged()
    first, second, third = text.split(".")
    body = unb64u(second).decode()
    widened = b64u(body.replace("chat.read", "chat.read chat.write").encode())
    known = public("token-ed25519")
    cases = [
        ("widened", bad, "more scope, with the old signature", f"{first}.{widened}.{third}"),
        ("of-the-attacker", bad, "signed by somebody else", forged(key="attacker-ed25519")),
        ("of-the-idp", bad, "signed by the IdP", forged(key="acme-ed25519")),
        ("kid-unknown", bad, "a `kid` that is not ours", forged(head={"kid": "made-up"}, key="attacker-ed25519")),
        ("without-signature", bad, "no signature", f"{first}.{second}."),
        ("signature-zero", bad, "a signature of zeros", f"{first}.{second}.{b64u(bytes(64))}"),
        ("alg-none", malformed, "`alg` is none", f"{b64u(sign.compact({'typ': 'at+jwt', 'alg': 'none'}).encode())}.{second}."),
        ("alg-es256", bad, "`alg` is not the one of our key",
         forged(head={"alg": "ES256"}, alg="ES256", key="attacker-es256")),
        ("alg-hs256-with-public-key", bad, "HS256, and our public key as the secret", _confused(unb64u(known["x"]))),
        ("alg-hs256-with-public-jwk", bad, "HS256, and our public JWK as the secret",
         _confused(sign.compact(known).encode())),
        ("embedded-jwk", malformed, "signed by somebody whose key the header brings along",
         forged(head={"jwk": public("attacker-ed25519")}, key="attacker-ed25519")),
        ("crit", malformed, "`crit` with a name that nobody knows", forged(head={"crit": ["made-up"], "made-up": 1})),
        ("padded", "token_malformed", "padding behind it", f"{text}="),
        ("space-before", "token_malformed", "a space before it", f" {text}"),
        ("newline-behind", "token_malformed", "a newline behind it", f"{text}\n"),
        ("two-parts", "token_malformed", "without its signature", f"{first}.{second}"),
        ("five-parts", "token_malformed", "two more dots", f"{text}.."),
        ("empty", "token_malformed", "nothing", ""),
        ("not-a-token", "token_malformed", "some other text", "opaque-token-of-somebody-else"),
        ("dots", "token_malformed", "dots", [{"repeat": ".", "times": 16384}]),
        ("huge", "token_malformed", "a megabyte", [{"repeat": "A", "times": 1 << 20}]),
        ("another-issuer", "token_issuer_mismatch", "another `iss`, signed with our key",
         forged({"iss": "https://auth.other.example/"})),
        ("issuer-without-slash", "token_issuer_mismatch", "`iss` without its slash, signed with our key",
         forged({"iss": ISSUER[:-1]})),
        ("another-audience", "token_no_longer_granted", "an `aud` that nobody serves, signed with our key",
         forged({"aud": FILES})),
        ("exp-past", "token_expired", "`exp` an hour ago, signed with our key",
         forged({"iat": NOW - 7200, "exp": NOW - 3600})),
        ("exp-missing", "token_malformed", "no `exp`, signed with our key", forged({"exp": DROP})),
        ("exp-string", "token_malformed", "`exp` is a string, signed with our key",
         forged({"exp": "9999999999"})),
        ("duplicate-member", "token_malformed", "`scope` stands twice, signed with our key",
         forged(payload=body[:-1] + ',"scope":"chat.write"}')),
        ("not-json", "token_malformed", "no JSON, signed with our key", forged(payload="foo")),
    ]
    for name, slug, differs, token in cases:
        invalid(f"token-{name}", "row 70; RFC 9068 section 4; attack 20", slug, differs, token=token,
                control="token-made-by-hand")
    notes = forged({"aud": NOTES, "scope": "notes.read"})
    wide = "two-connectors-wide-client"
    valid("token-for-notes", "RFC 9068 section 4", world=wide, token=notes, resource=NOTES,
          out={**BEARER, "resource": NOTES, "scope": "notes.read"})
    invalid("token-for-notes-at-chat", "RFC 9068 section 4", "token_audience_mismatch",
            "presented at another connector of the same server", world=wide, token=notes, resource=CHAT,
            control="token-for-notes")
    for name, token, differs in (
        ("tail", f"{text[:-4]}AAAA", "its last characters changed"),
        ("claims", f"{first}.{widened}.{third}", "its claims changed"),
        ("tail-cut", text[:-1], "its last character missing"),
        ("longer", f"{text}AAAA", "more characters behind it"),
    ):
        invalid(f"attack-10-cached-token-{name}", "attack 10, 11; CVE-2026-35030, CVE-2026-35039",
                malformed if name == "tail-cut" else bad,
                f"verified right after the valid one, {differs}", token=token, control="token-made-by-hand",
                before=[verification(text, {"valid": BEARER}), verification(text, {"valid": BEARER})])


def _confused(secret: bytes) -> str:
    head = {"kid": jwk("token-ed25519")["kid"], "typ": "at+jwt", "alg": "HS256"}
    body = forged().split(".")[1]
    signing_input = f"{b64u(sign.compact(head).encode())}.{body}"
    return f"{signing_input}.{b64u(sign.signature(signing_input.encode(), 'HS256', secret))}"


def _bound() -> None:
    bound = {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}
    invalid("token-bound-to-a-key", "row 62; RFC 9449 section 7", "token_proof_required",
            "bound to a key, and no proof", token=forged(bound), control="token-made-by-hand")
    invalid("token-bound-to-a-key-again", "interfaces: verify", "token_proof_required",
            "bound to a key, and no proof, twice", token=forged(bound), control="token-made-by-hand",
            before=[verification(forged(bound), {"invalid": "token_proof_required"})])


def cases() -> None:
    """All of them."""
    noun("tokens")
    _minted()
    _decided_again()
    _mistaken()
    _bound()
