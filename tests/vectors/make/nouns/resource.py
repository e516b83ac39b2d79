"""`resource` is served here, one is chosen, and its connector is enabled."""

from names import CHAT, FILES, ISSUER, NOTES
from table import DROP, granted, noun, of, refused

BOTH = [CHAT, NOTES]


def _claim() -> None:
    origin = "row 44; RFC 8707 section 2; draft section 3.1"
    granted("resource-array-of-one", origin, claim={"resource": [CHAT]}, out={"aud": CHAT})
    wide = {"world": "two-connectors-wide-client"}
    granted("resource-first-of-several", origin, **wide, claim={"resource": BOTH}, out={"aud": CHAT})
    granted("resource-first-of-several-reversed", origin, **wide, resource=NOTES, scope="notes.read",
            claim={"resource": BOTH[::-1], "scope": DROP}, out={"aud": NOTES})
    granted("resource-second-asked-for", origin, **wide, resource=NOTES, scope="notes.read",
            claim={"resource": BOTH, "scope": DROP}, request_resource=[NOTES], out={"aud": NOTES})
    granted("resource-asked-for", origin, assertion=of("granted-rs256"), request_resource=[CHAT])
    refused("resource-asked-for-is-another", "row 47", "resource_not_in_assertion",
            "the request asks for a resource that the assertion lacks", **wide, assertion=of("granted-rs256"),
            request_resource=[NOTES], control="resource-asked-for")
    refused("resource-asked-for-lacks-slash", "row 47", "resource_not_in_assertion", "without its slash",
            assertion=of("granted-rs256"), request_resource=[CHAT[:-1]], control="resource-asked-for")
    refused("resource-asked-for-is-not-served", "row 47", "resource_not_in_assertion", "a resource that nobody serves",
            assertion=of("granted-rs256"), request_resource=[FILES], control="resource-asked-for")
    for name, value in (("relative", "/mcp"), ("fragment", f"{CHAT}#top"), ("empty-fragment", f"{CHAT}#"),
                        ("space", "https://mcp.chat.example/ "), ("no-scheme", "mcp.chat.example"),
                        ("nul", f"{CHAT}\0")):
        refused(f"resource-asked-for-{name}", "RFC 8707 section 2", "resource_request_malformed",
                f"the request's `resource` is malformed: {name.replace('-', ' ')}", assertion=of("granted-rs256"),
                request_resource=[value], control="resource-asked-for")
    refused("resource-asked-for-twice-one-malformed", "RFC 8707 section 2", "resource_request_malformed",
            "a second `resource`, relative", assertion=of("granted-rs256"), request_resource=[CHAT, "/mcp"],
            control="resource-asked-for")
    refused("resource-asked-for-twice-one-outside", "row 47", "resource_not_in_assertion",
            "a second `resource`, which the assertion lacks", assertion=of("granted-rs256"),
            request_resource=[CHAT, NOTES], control="resource-asked-for")
    for name, value in (
        ("null", None), ("number", 1), ("boolean", True), ("object", {"uri": CHAT}), ("array-empty", []),
        ("array-of-number", [CHAT, 1]), ("array-of-null", [None]), ("array-of-array", [[CHAT]]), ("empty", ""),
        ("relative", "/mcp"), ("no-scheme", "mcp.chat.example"), ("fragment", f"{CHAT}#top"),
        ("empty-fragment", f"{CHAT}#"), ("space", "https://mcp.chat.example/a b"), ("space-behind", f"{CHAT} "),
        ("control-character", f"{CHAT}\n"), ("array-with-relative", [CHAT, "/mcp"]), ("array-with-empty", [CHAT, ""]),
    ):
        control = "resource-array-of-one" if isinstance(value, list) else None
        refused(f"resource-{name}", "row 46; RFC 8707 section 2", "resource_malformed",
                f"`resource`: {name.replace('-', ' ')}", claim={"resource": value}, control=control)
    for name, value in (
        ("not-served", FILES), ("without-slash", CHAT[:-1]), ("longer", f"{CHAT}mcp"),
        ("host-in-capitals", "https://MCP.chat.example/"), ("http", CHAT.replace("https", "http")),
        ("port", "https://mcp.chat.example:443/"), ("query", f"{CHAT}?a=b"), ("our-issuer", ISSUER),
        ("urn", "urn:example:chat"), ("array-with-stranger", [CHAT, FILES]), ("array-with-stranger-first", [FILES, CHAT]),
    ):
        control = "resource-array-of-one" if isinstance(value, list) else None
        refused(f"resource-{name}", "row 45; EMA 7.6.2", "resource_unknown",
                f"a resource that is not served here: {name.replace('-', ' ')}", claim={"resource": value}, control=control)
    refused("resource-not-served-as-invalid-target", "row 45; draft PR 123; compat.resource_mismatch",
            "resource_unknown", "a resource that is not served here", error="invalid_target",
            world="mismatch-is-invalid-target", assertion=of("resource-not-served"))
    granted("resource-served-under-invalid-target", "row 45", world="mismatch-is-invalid-target",
            assertion=of("granted-rs256"))
    refused("resource-malformed-under-invalid-target", "row 46", "resource_malformed", "a relative resource",
            world="mismatch-is-invalid-target", assertion=of("resource-relative"))
    granted("resource-second-of-connector", origin, world="resource-list", resource=f"{CHAT}v2",
            claim={"resource": f"{CHAT}v2"}, out={"aud": f"{CHAT}v2"})


def _absent() -> None:
    origin = "row 48; EMA 5.1"
    granted("resource-absent", origin, claim={"resource": DROP}, out={"aud": CHAT})
    granted("resource-absent-asked-for", origin, assertion=of("resource-absent"), request_resource=[CHAT])
    refused("resource-absent-asked-for-is-another", origin, "resource_not_in_assertion",
            "the request asks for another resource", assertion=of("resource-absent"), request_resource=[NOTES],
            control="resource-absent-asked-for")
    refused("resource-absent-two-connectors", origin, "resource_missing", "a second enabled connector",
            world="two-connectors", assertion=of("resource-absent"), control="resource-absent")
    refused("resource-absent-two-connectors-asked-for", origin, "resource_missing",
            "a second enabled connector; the request alone does not bind the assertion", world="two-connectors",
            assertion=of("resource-absent"), request_resource=[CHAT], control="resource-absent-asked-for")
    refused("resource-absent-connector-of-two", origin, "resource_missing", "the connector has two resources",
            world="resource-list", assertion=of("resource-absent"), control="resource-absent")
    granted("resource-absent-default", origin, world="default-resource", resource=NOTES, scope="notes.read",
            claim={"resource": DROP, "scope": DROP}, out={"aud": NOTES})
    granted("resource-present-beside-default", origin, world="default-resource", assertion=of("granted-rs256"))
    granted("resource-absent-default-asked-for", origin, world="default-resource", resource=NOTES,
            scope="notes.read", assertion=of("resource-absent-default"), request_resource=[NOTES])
    refused("resource-absent-default-is-another", origin, "resource_not_in_assertion",
            "the request asks for another resource than the default", world="default-resource",
            assertion=of("resource-absent-default"), request_resource=[CHAT],
            control="resource-absent-default-asked-for")


def _connector() -> None:
    origin = "row 56; EMA 1.1"
    asks = {"client_id": "client-for-everything"}
    claim = {"client_id": "client-for-everything", "resource": NOTES, "scope": "notes.read"}
    granted("connector-enabled", origin, world="two-connectors", resource=NOTES, scope="notes.read", claim=claim, **asks)
    refused("connector-planned", origin, "connector_not_enabled", "the connector is planned",
            assertion=of("connector-enabled"), control="connector-enabled", **asks)
    refused("connector-suspended", origin, "connector_not_enabled", "the connector is suspended",
            world="connector-suspended", assertion=of("granted-rs256"))
    refused("connector-retired", origin, "connector_not_enabled", "the connector is retired",
            world="connector-retired", assertion=of("granted-rs256"))
    refused("connector-suspended-as-invalid-grant", f"{origin}; compat.missing_access", "connector_not_enabled",
            "the connector is suspended", error="invalid_grant",
            world="missing-access-is-invalid-grant-suspended", assertion=of("granted-rs256"))


def cases() -> None:
    """All of them."""
    noun("resource")
    _claim()
    _absent()
    _connector()
