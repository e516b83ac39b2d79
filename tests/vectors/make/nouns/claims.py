"""`sub`, `jti`, tenants, `sub_id`, `act`, `cnf`, `authorization_details`, `scope` and `groups` are well formed."""

from names import SUB
from table import DROP, granted, noun, of, refused

NOT_A_STRING = (("null", None), ("number", 1), ("boolean", True), ("array", ["a"]), ("object", {"a": "b"}))


def _sub_and_jti() -> None:
    refused("sub-missing", "row 32; RFC 7523 section 3", "subject_malformed", "no `sub`", claim={"sub": DROP})
    refused("sub-empty", "row 32; RFC 7523 section 3", "subject_malformed", "an empty `sub`", claim={"sub": ""})
    refused("sub-in-capitals", "row 76", "subject_malformed", "`SUB` in place of `sub`",
            claim={"sub": DROP, "SUB": SUB})
    refused("jti-missing", "row 37; draft section 3.1", "jti_malformed", "no `jti`", claim={"jti": DROP})
    refused("jti-empty", "row 37; draft section 3.1", "jti_malformed", "an empty `jti`", claim={"jti": ""})
    for name, value in NOT_A_STRING:
        refused(f"sub-{name}", "row 32; RFC 7519 section 4.1.2", "subject_malformed", f"`sub` is of type {name}",
                claim={"sub": value})
        refused(f"jti-{name}", "row 37; RFC 7519 section 4.1.7", "jti_malformed", f"`jti` is of type {name}",
                claim={"jti": value})
    granted("jti-of-256", "row 37", claim={"jti": "j" * 256})
    refused("jti-of-257", "row 37", "jti_malformed", "one character longer", claim={"jti": "j" * 257},
            control="jti-of-256")
    granted("jti-of-256-beyond-ascii", "row 37", claim={"jti": "\u00e9" * 256})
    granted("jti-of-configured-length", "row 37", world="jti-of-32", claim={"jti": "j" * 32})
    refused("jti-above-configured-length", "row 37", "jti_malformed", "one character longer", world="jti-of-32",
            claim={"jti": "j" * 33}, control="jti-of-configured-length")


def _tenants() -> None:
    origin = "row 59; draft section 6"
    granted("tenant-listed", origin, world="two-tenants", claim={"tenant": "t-one"}, out={"tenant": "t-one"})
    refused("tenant-missing", origin, "tenant_mismatch", "no `tenant`", world="two-tenants",
            assertion=of("granted-rs256"), control="tenant-listed")
    for name, value in (("unknown", "t-three"), ("in-capitals", "T-ONE"), ("prefix", "t-on"), ("longer", "t-one ")):
        refused(f"tenant-{name}", origin, "tenant_mismatch", "a tenant that is not listed", world="two-tenants",
                claim={"tenant": value}, control="tenant-listed")
    refused("tenant-from-single-tenant-idp", origin, "tenant_mismatch", "an IdP without tenants",
            assertion=of("tenant-listed"), control="tenant-listed")
    for name, value in (*NOT_A_STRING, ("empty", "")):
        slug = ["tenant_malformed", "tenant_mismatch"] if name == "empty" else "tenant_malformed"
        refused(f"tenant-{name}", origin, slug, f"`tenant` is of type {name}", world="two-tenants",
                claim={"tenant": value}, control="tenant-listed")
    granted("aud-tenant-listed", origin, world="our-tenants", claim={"aud_tenant": "ours"})
    granted("aud-tenant-missing", origin, world="our-tenants", assertion=of("granted-rs256"))
    refused("aud-tenant-unknown", origin, "aud_tenant_unknown", "a tenant that is not ours", world="our-tenants",
            claim={"aud_tenant": "theirs"}, control="aud-tenant-listed")
    refused("aud-tenant-number", origin, "tenant_malformed", "`aud_tenant` is a number", world="our-tenants",
            claim={"aud_tenant": 1}, control="aud-tenant-listed")
    granted("aud-tenant-where-we-have-none", origin, claim={"aud_tenant": "theirs"})


def _other_subjects() -> None:
    granted("aud-sub", "draft section 6", world="subject-is-aud-sub", claim={"aud_sub": "chat-user-7"},
            out={"sub": SUB})
    for name, value in (("missing", DROP), ("empty", ""), *NOT_A_STRING):
        refused(f"aud-sub-{name}", "draft section 6", "aud_sub_malformed", f"`aud_sub` is {name}",
                world="subject-is-aud-sub", claim={"aud_sub": value}, control="aud-sub")
    sub_id = {
        "format": "saml-nameid", "issuer": "http://www.okta.com/exk1a2b3c4d5e6f7g8h9",
        "nameid": "user@acme.example", "nameid_format": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
    }
    granted("sub-id", "row 58", world="subject-is-sub-id", claim={"sub_id": sub_id}, out={"sub": SUB})
    for name, value in (
        ("missing", DROP), *NOT_A_STRING[:4], ("string", "user@acme.example"), ("empty", {}),
        ("format-missing", {k: v for k, v in sub_id.items() if k != "format"}),
        ("format-email", {"format": "email", "email": "user@acme.example"}),
        ("format-misspelt", {**sub_id, "format": "saml_nameid"}),
        ("nameid-missing", {k: v for k, v in sub_id.items() if k != "nameid"}),
        ("nameid-number", {**sub_id, "nameid": 7}),
        ("nameid-empty", {**sub_id, "nameid": ""}),
        ("issuer-missing", {k: v for k, v in sub_id.items() if k != "issuer"}),
        ("issuer-array", {**sub_id, "issuer": [sub_id["issuer"]]}),
    ):
        refused(f"sub-id-{name}", "row 58", "sub_id_malformed", f"`sub_id`: {name.replace('-', ' ')}",
                world="subject-is-sub-id", claim={"sub_id": value}, control="sub-id")
    for name, value in (("other", "http://www.okta.com/exk-of-somebody-else"),
                        ("slash", f"{sub_id['issuer']}/"), ("https", sub_id["issuer"].replace("http", "https"))):
        refused(f"sub-id-issuer-{name}", "row 58", "sub_id_issuer_mismatch", "a SAML issuer that is not bound to the IdP",
                world="subject-is-sub-id", claim={"sub_id": {**sub_id, "issuer": value}}, control="sub-id")
    granted("sub-id-not-looked-at", "row 58", claim={"sub_id": {"format": 1}})


def _actors() -> None:
    origin = "row 60; RFC 8693 section 4.1"

    def act(depth, innermost=None):
        actor = {"sub": f"actor-{depth}", **(innermost or {})}
        for level in range(depth - 1, 0, -1):
            actor = {"sub": f"actor-{level}", "act": actor}
        return actor

    granted("act", origin, claim={"act": act(1)}, out={"act": act(1)})
    granted("act-five-deep", origin, claim={"act": act(5)}, out={"act": act(5)})
    refused("act-six-deep", origin, "act_too_deep", "one more within", claim={"act": act(6)},
            control="act-five-deep")
    granted("act-as-deep-as-configured", origin, world="act-depth-2", claim={"act": act(2)}, out={"act": act(2)})
    refused("act-deeper-than-configured", origin, "act_too_deep", "one more within", world="act-depth-2",
            claim={"act": act(3)}, control="act-as-deep-as-configured")
    granted("act-with-more-members", origin,
            claim={"act": {"sub": "wlp1", "sub_profile": "ai_agent", "iss": "https://acme.idp.example"}},
            out={"sub": SUB})
    for name, value in (
        *((n, v) for n, v in NOT_A_STRING if n != "object"), ("string", "actor-1"), ("empty", {}),
        ("sub-empty", {"sub": ""}), ("sub-number", {"sub": 1}), ("sub-null", {"sub": None}),
        ("inner-without-sub", {"sub": "a", "act": {}}), ("inner-string", {"sub": "a", "act": "b"}),
        ("inner-null", {"sub": "a", "act": None}), ("innermost-array", act(4, {"act": ["x"]})),
    ):
        refused(f"act-{name}", origin, "act_malformed", f"`act`: {name.replace('-', ' ')}", claim={"act": value},
                control="act")


def _proofs_and_details() -> None:
    for name, slug, value in (
        ("jkt", "proof_required", {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
        # RFC 8705 section 3.1 prints a value that ends in `dg2`, which is no canonical base64url.
        ("x5t-s256", "proof_required", {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0"}),
        ("unknown", "cnf_method_unknown", {"made-up": "x"}), ("empty", "cnf_malformed", {}),
        ("null", "cnf_malformed", None), ("string", "cnf_malformed", "x"), ("array", "cnf_malformed", []),
    ):
        refused(f"cnf-{name}", "row 63, 65; RFC 7800 section 3", slug, f"`cnf` is {name}",
                claim={"cnf": value})
    refused("proof-for-everyone", "row 66; draft section 8.6", "connector_proof_required",
            "a connector that asks for proofs", world="proof-for-everyone", assertion=of("granted-rs256"))
    origin = "row 67; RFC 9396 section 2"
    details = [{"type": "chat_channel", "channel": "general"}]
    granted("details-allowed", origin, world="details", claim={"authorization_details": details},
            out={"authorization_details": details})
    refused("details-of-another-group", origin, "authorization_details_not_allowed",
            "a type that only another group's grant allows", world="details",
            claim={"authorization_details": [{"type": "chat_export"}]}, control="details-allowed")
    refused("details-one-of-two", origin, "authorization_details_not_allowed", "a second type that no grant allows",
            world="details", claim={"authorization_details": [*details, {"type": "payment"}]},
            control="details-allowed")
    refused("details-where-none-are-allowed", origin, "authorization_details_not_allowed",
            "a connector whose grants name no types", claim={"authorization_details": details},
            control="details-allowed")
    for name, value in (
        ("object", details[0]), ("string", "chat_channel"), ("null", None), ("number", 1), ("array-of-string", ["chat_channel"]),
        ("without-type", [{"channel": "general"}]), ("type-number", [{"type": 1}]), ("type-empty", [{"type": ""}]),
        ("array-of-array", [details]), ("second-without-type", [*details, {}]),
    ):
        refused(f"details-{name}", origin, "authorization_details_malformed",
                f"`authorization_details`: {name.replace('-', ' ')}", world="details",
                claim={"authorization_details": value}, control="details-allowed")


def _scope_and_groups() -> None:
    origin = "row 52; RFC 6749 section 3.3; RFC 8693 section 4.2"
    for name, value in (
        ("null", None), ("empty", ""), ("number", 1), ("boolean", True), ("object", {"a": "chat.read"}),
        ("array", ["chat.read"]), ("array-empty", []), ("space-before", " chat.read"), ("space-behind", "chat.read "),
        ("two-spaces", "chat.read  chat.write"), ("space", " "), ("tab", "chat.read\tchat.write"),
        ("newline", "chat.read\n"), ("quotation-mark", 'chat."read'), ("backslash", "chat\\read"),
        ("beyond-ascii", "chat.r\u00e9ad"), ("nul", "chat.read\0"), ("no-break-space", "chat.read\u00a0chat.write"),
    ):
        refused(f"scope-{name}", origin, "scope_malformed", f"`scope`: {name.replace('-', ' ')}",
                claim={"scope": value})
    refused("scp-in-place-of-scope", "row 52", "scope_malformed", "`scp` as Entra writes it, and no `scope`",
            claim={"scope": DROP, "scp": "chat.read"})
    for name, value in (
        ("null", None), ("number", 1), ("boolean", True), ("object", {"0": "eng"}), ("array-of-number", ["eng", 1]),
        ("array-of-null", ["eng", None]), ("array-of-array", [["eng"]]), ("array-of-object", [{"name": "eng"}]),
    ):
        refused(f"groups-{name}", "Decisions: groups", "groups_malformed", f"`groups`: {name.replace('-', ' ')}",
                claim={"groups": value})


def _ignored() -> None:
    origin = "row 61; RFC 7519 section 4"
    granted("claims-unknown", origin, claim={
        "sub_profile": "user", "origin": {"iss": "x"}, "delegated_through": ["a", "b"], "made-up": None,
        "auth_time": 1784527200, "amr": ["pwd", "otp"], "acr": "1", "nonce": "n", "azp": "other", "sid": 7,
    }, out={"sub_profile": None, "origin": None, "delegated_through": None, "made-up": None, "azp": None})
    granted("claims-of-ours-cannot-be-set", origin, claim={
        "idp": "https://evil.example", "tenant_id": "x", "scopes": "chat.write", "groups_matched": ["leads"],
        "permissions": ["*"], "roles": ["admin"],
    }, out={"idp": "https://acme.idp.example", "groups": ["eng"], "permissions": None, "roles": None})
    granted("email-kept-back", "tokens.email", claim={"email": "user@acme.example"}, out={"email": None})
    granted("email-on-request", "tokens.email", world="email-on-request", claim={"email": "user@acme.example"},
            out={"email": "user@acme.example"})
    granted("email-of-wrong-type", origin, claim={"email": ["user@acme.example"]}, out={"email": None})


def cases() -> None:
    """All of them."""
    noun("claims")
    _sub_and_jti()
    _tenants()
    _other_subjects()
    _actors()
    _proofs_and_details()
    _scope_and_groups()
    _ignored()
