"""`client_id` is the client that asked, and that client may ask."""

from names import ACME, CLIENT, GLOBEX
from table import DROP, granted, noun, of, refused


def cases() -> None:
    """All of them."""
    noun("client")
    granted("client-for-everything", "clients.connectors", claim={"client_id": "client-for-everything"},
            client_id="client-for-everything", out={"client_id": "client-for-everything"})
    for name, value in (("missing", DROP), ("null", None), ("number", 1), ("boolean", True), ("empty", ""),
                        ("array", [CLIENT]), ("object", {"id": CLIENT})):
        refused(f"client-id-{name}", "row 31; draft section 4.4.1", "client_id_malformed", f"`client_id` is {name}",
                claim={"client_id": value})
    refused("client-id-missing-azp-instead", "row 31", "client_id_malformed", "`azp` in place of `client_id`",
            claim={"client_id": DROP, "azp": CLIENT})
    for name, value in (("other", "client-for-everything"), ("unknown", "somebody"), ("in-capitals", CLIENT.upper()),
                        ("space-behind", f"{CLIENT} "), ("longer", f"{CLIENT}0"), ("prefix", CLIENT[:-1])):
        refused(f"client-id-{name}", "row 31; draft section 4.4.1", "client_mismatch",
                "`client_id` is not the client that asks", claim={"client_id": value})
    refused("client-asks-with-anothers-assertion", "row 31; draft section 4.4.1", "client_mismatch",
            "another client asks", assertion=of("granted-rs256"), client_id="client-for-everything")
    refused("client-unknown", "row 7", "client_unknown", "a client that is not configured",
            claim={"client_id": "somebody"}, client_id="somebody", control="client-for-everything")
    refused("client-empty", "row 7", "client_unknown", "the client that asks has an empty name",
            assertion=of("granted-rs256"), client_id="")
    refused("client-switched-off", "attack 2, 5; CVE-2026-1609", "client_disabled", "a client that is switched off",
            claim={"client_id": "client-switched-off"}, client_id="client-switched-off",
            control="client-for-everything")
    refused("client-switched-off-later", "row 72", "client_disabled", "the same client, switched off",
            world="client-switched-off", assertion=of("granted-rs256"))
    granted("client-of-globex", "clients.idps", world="two-idps", alg="RS256", key="globex-rs256",
            claim={"iss": GLOBEX, "client_id": "client-of-globex", "groups": ["partners"]},
            client_id="client-of-globex", out={"idp": GLOBEX})
    refused("client-of-globex-vouched-for-by-acme", "clients.idps", "client_issuer_not_allowed", "another IdP",
            world="two-idps", claim={"iss": ACME, "client_id": "client-of-globex", "groups": ["staff"]},
            client_id="client-of-globex", control="client-of-globex")
    refused("client-for-notes-asks-for-chat", "row 15; attack 5; CVE-2026-79652", "client_connector_not_allowed",
            "a client that may use another connector only", claim={"client_id": "client-for-notes"},
            client_id="client-for-notes", control="client-for-everything")
