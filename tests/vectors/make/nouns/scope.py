"""The scopes that remain: assertion, connector, grants, request, each narrowing."""

from table import DROP, granted, noun, of, refused

ALL = "chat.read chat.history chat.write"


def cases() -> None:
    """All of them."""
    noun("scope")
    origin = "row 49; RFC 6749 section 5.1; EMA 7.2.1"
    granted("scope-absent", "Decisions: scopes", scope="chat.read chat.history", claim={"scope": DROP},
            out={"scope": "chat.read chat.history"})
    granted("scope-all-that-is-granted", origin, scope="chat.read chat.history",
            claim={"scope": "chat.read chat.history"})
    granted("scope-repeated", origin, claim={"scope": "chat.read chat.read"}, out={"scope": "chat.read"})
    granted("scope-more-than-is-granted", origin, scope="chat.read chat.history", claim={"scope": ALL})
    granted("scope-partly-unknown", origin, claim={"scope": "chat.read openid made.up"})
    granted("scope-of-leads", origin, scope=ALL, claim={"scope": ALL, "groups": ["leads"]})
    granted("scope-asked-for", origin, assertion=of("scope-all-that-is-granted"), request_scope="chat.read")
    granted("scope-asked-for-in-another-order", origin, scope="chat.read chat.history",
            assertion=of("scope-all-that-is-granted"), request_scope="chat.history chat.read")
    granted("scope-asked-for-too-much", "row 50", assertion=of("granted-rs256"),
            request_scope="chat.read chat.history chat.write")
    granted("scope-asked-for-unknown-too", "row 50", assertion=of("granted-rs256"), request_scope="chat.read made.up")
    granted("scope-asked-for-empty", "RFC 6749 section 3.2", assertion=of("granted-rs256"), request_scope="")
    granted("scope-asked-for-of-everything", origin, assertion=of("scope-absent"), request_scope="chat.history",
            scope="chat.history")
    for name, asked, differs in (
        ("outside-assertion", "chat.history", "a scope that the assertion lacks"),
        ("outside-grants", "chat.write", "a scope that no grant gives"), ("unknown", "made.up", "an unknown scope"),
        ("in-capitals", "CHAT.READ", "in capitals"), ("prefix", "chat.rea", "its last letter is missing"),
        ("wildcard", "chat.*", "a wildcard"),
    ):
        refused(f"scope-asked-for-{name}", "row 51", "scope_not_available", differs, assertion=of("granted-rs256"),
                request_scope=asked, control="scope-asked-for")
    for name, asked in (("two-spaces", "chat.read  chat.history"), ("space-before", " chat.read"),
                        ("space-behind", "chat.read "), ("space", " "), ("quotation-mark", 'chat."read'),
                        ("backslash", "chat\\read"), ("tab", "chat.read\tchat.history"),
                        ("beyond-ascii", "chat.r\u00e9ad"), ("nul", "chat.read\0"), ("comma-and-space", "chat.read, \x7f")):
        refused(f"scope-asked-for-with-{name}", "RFC 6749 section 3.3", "scope_request_malformed",
                f"the request's `scope` is off-grammar: {name.replace('-', ' ')}", assertion=of("granted-rs256"),
                request_scope=asked, control="scope-asked-for")
    for name, value in (("unknown", "made.up"), ("openid", "openid profile"), ("of-another-connector", "notes.read"),
                        ("in-capitals", "CHAT.READ"), ("wildcard", "*"), ("comma", "chat.read,chat.history")):
        refused(f"scope-claim-{name}", "Decisions: scopes, step 2", "scope_outside_connector",
                "the assertion's `scope` names nothing that the connector has", claim={"scope": value})
    refused("scope-not-granted", "Decisions: scopes, step 4; row 53", "scope_not_granted",
            "a scope that the person's group does not give", claim={"scope": "chat.write"})
    refused("scope-not-granted-as-invalid-grant", "compat.missing_access", "scope_not_granted",
            "a scope that the person's group does not give", error="invalid_grant",
            world="missing-access-is-invalid-grant", assertion=of("scope-not-granted"))
    refused("scope-not-granted-whatever-is-asked", "Decisions: scopes, step 4", "scope_not_granted",
            "a scope that the person's group does not give", assertion=of("scope-not-granted"),
            request_scope="chat.read", control="scope-asked-for")
    refused("scope-asked-for-by-somebody-without-access", "Decisions: scopes, step 3", "group_required",
            "somebody in no group, who asks for an unknown scope", assertion=of("groups-others"),
            request_scope="made.up", control="scope-asked-for")
