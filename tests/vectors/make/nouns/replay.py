"""The `jti` was not used before: single use, by issuer and tenant; a refusal burns nothing."""

import sign
from names import GLOBEX, JTI, NOW
from table import claims, granted, granted_before, noun, of, refused, request

ONCE = granted_before()


def cases() -> None:
    """All of them."""
    noun("replay")
    origin = "row 38; EMA 7.4.2"

    def replayed(name, why, differs, **rest):
        refused(name, why, "replayed", differs, **rest)

    replayed("replayed", origin, "it was used before", assertion=of("granted-rs256"),
             before=[request(of("granted-rs256"), ONCE)])
    replayed("replayed-third-time", origin, "it was used and refused before", assertion=of("granted-rs256"),
             before=[request(of("granted-rs256"), ONCE), request(of("granted-rs256"), "replayed")])
    for name in ("ps256", "es256"):
        replayed(f"replayed-{name}", origin, "it was used before", assertion=of(f"granted-{name}"),
                 before=[request(of(f"granted-{name}"), ONCE)], control=f"granted-{name}")
    replayed("replayed-signed-again", "RFC 7519 section 4.1.7", "the same `jti`, signed with another key",
             assertion=of("granted-es256"), before=[request(of("granted-rs256"), ONCE)], control="granted-es256")
    replayed("replayed-other-half-of-signature", "RFC 7518 section 3.4",
             "the same `jti`, and the signature's s replaced by n - s", assertion=of("es256-other-half"),
             before=[request(of("granted-es256"), ONCE)], control="es256-other-half")
    replayed("replayed-for-somebody-else", origin, "the same `jti`, another `sub`",
             claim={"sub": "00u-somebody-else"}, before=[request(of("granted-rs256"), ONCE)])
    replayed("replayed-by-another-client", origin, "the same `jti`, another client",
             assertion=of("client-for-everything"), client_id="client-for-everything",
             before=[request(of("granted-rs256"), ONCE)], control="client-for-everything")
    replayed("replayed-for-another-scope", origin, "it was used before, for another scope",
             assertion=of("scope-all-that-is-granted"), request_scope="chat.history",
             before=[request(of("scope-all-that-is-granted"), ONCE, scope="chat.read")], control="scope-asked-for")
    replayed("replayed-with-escaped-jti", "row 76", "the same `jti`, written with an escape",
             payload=sign.compact(claims()).replace(JTI, "\\u0049" + JTI[1:]),
             before=[request(of("granted-rs256"), ONCE)])
    replayed("attack-09-replayed-at-the-end", "row 40; attack 8, 9; Sentry 106342",
             "it was used when it was issued, and is presented again in its last second", now=NOW + 305,
             assertion=of("granted-rs256"), before=[request(of("granted-rs256"), ONCE, now=NOW)],
             control="granted-in-its-last-second")
    granted("granted-in-its-last-second", "row 40", now=NOW + 305, assertion=of("granted-rs256"))
    refused("attack-08-replayed-after-its-end", "row 40; attack 8", "expired",
            "it was used, and is presented again a second later", now=NOW + 306, assertion=of("granted-rs256"),
            before=[request(of("granted-rs256"), ONCE, now=NOW)], control="granted-in-its-last-second")
    granted("granted-from-a-small-store", "row 41: `tests/single_use.rs` fills this world's store",
            world="replay-of-4-kib", assertion=of("granted-rs256"))
    replayed("replayed-from-a-small-store", "row 41", "it was used before", world="replay-of-4-kib",
             assertion=of("granted-rs256"), before=[request(of("granted-rs256"), ONCE)],
             control="granted-from-a-small-store")
    granted("another-jti", origin, claim={"jti": JTI[:-1] + "5"}, before=[request(of("granted-rs256"), ONCE)])
    granted("jti-in-another-case", origin, claim={"jti": JTI.lower()}, before=[request(of("granted-rs256"), ONCE)])
    granted("jti-in-front-of-another", "attack 10, 11", claim={"jti": JTI[:20]},
            before=[request(of("granted-rs256"), ONCE)])
    granted("same-jti-from-another-idp", "row 39; EMA 7.4.2; attack 6; keycloak 49215", world="two-idps",
            alg="RS256", key="globex-rs256", claim={"iss": GLOBEX, "groups": ["partners"]}, out={"idp": GLOBEX},
            before=[request(of("granted-rs256"), ONCE)])
    granted("same-jti-from-another-tenant", "row 39", world="two-tenants", claim={"tenant": "t-two"},
            before=[request(of("tenant-listed"), ONCE)])
    granted("same-text-split-otherwise", "row 39: issuer, tenant and jti are told apart by length",
            world="tenants-that-join", claim={"tenant": "t", "jti": "-abc"},
            before=[request(of("split-one-way"), ONCE)])
    granted("split-one-way", "row 39", world="tenants-that-join", claim={"tenant": "t-a", "jti": "bc"})
    granted("reusable-second-time", "row 43; draft section 4.4.3", world="reusable", assertion=of("granted-rs256"),
            before=[request(of("granted-rs256"), ONCE), request(of("granted-rs256"), ONCE)])
    refused("reusable-until-it-expires", "row 43", "expired", "presented again when it has expired",
            world="reusable", assertion=of("granted-rs256"), now=NOW + 306,
            before=[request(of("granted-rs256"), ONCE, now=NOW)], control="reusable-second-time")

    burns = "row 42; attack 6; keycloak 49215"
    for name, first in (
        ("forged", request(of("payload-altered-rs256"), "signature_invalid")),
        ("forged-by-the-attacker", request(of("attacker-rs256"), "signature_invalid")),
        ("from-another-client", request(of("granted-rs256"), "client_mismatch", client_id="client-for-everything")),
        ("from-an-unknown-client", request(of("granted-rs256"), "client_unknown", client_id="somebody")),
        ("for-another-resource", request(of("granted-rs256"), "resource_not_in_assertion",
                                         resource=["https://mcp.files.example/"])),
        ("for-another-scope", request(of("granted-rs256"), "scope_not_available", scope="made.up")),
        ("without-access", request(of("groups-others"), "group_required")),
        ("for-an-unknown-resource", request(of("resource-not-served"), "resource_unknown")),
        ("too-early", request(of("iat-within-leeway"), "issued_in_future", now=NOW - 1)),
    ):
        granted(f"refused-before-{name}", burns, assertion=of("granted-rs256"), before=[first])
    replayed("granted-to-another-before", burns, "it was granted in between", assertion=of("granted-rs256"),
             before=[request(of("granted-rs256"), "client_mismatch", client_id="client-for-everything"),
                     request(of("granted-rs256"), ONCE)], control="refused-before-from-another-client")
