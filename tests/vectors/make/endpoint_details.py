"""`authorization_details` of the request (RFC 9396): equal elements of the assertion's, and nothing else."""

import json

import endpoint
from endpoint import error, token, usual

WORLD = "requests-details"
ONE = {"type": "chat_channel", "channels": ["general", "help"], "limit": 10, "rate": 1.5, "options": {"archived": False, "since": None}}
TWO = {"type": "chat_search", "actions": ["read"]}
THREE = {"type": "chat_channel", "channels": ["lunch"]}
CLAIM = [ONE, TWO, THREE]


def asked(value, *more, claim=CLAIM):
    """A body with the parameter; a text is taken as it stands."""
    text = value if isinstance(value, str) else json.dumps(value)
    edits = {} if claim is None else {"authorization_details": claim}
    return usual(("authorization_details", text), *more, **edits)


def requests() -> None:
    """What is asked for, echoed, and refused."""
    endpoint.begin("details")
    origin = "row 67; RFC 9396 section 6"

    def granted(name, body, details, why=origin, **rest):
        token(f"details-{name}", why, world=WORLD, body=body, details=details, **rest)

    def refused(name, body, slug, differs, why=origin, code="invalid_authorization_details", control="details-one", **rest):
        error(f"details-{name}", why, 400, code, slug, differs, world=WORLD, body=body, control=control, **rest)

    granted("not-asked", usual(authorization_details=CLAIM), CLAIM, "row 67; RFC 9396 section 7")
    granted("empty-parameter", asked(""), CLAIM, "RFC 6749 section 3.2")
    granted("neither-claimed-nor-asked", usual(), None)
    granted("claimed-empty", usual(authorization_details=[]), [])
    granted("one", asked([TWO]), [TWO])
    granted("two", asked([ONE, THREE]), [ONE, THREE])
    granted("all", asked(CLAIM), CLAIM)
    granted("in-another-order", asked([THREE, ONE]), [ONE, THREE])
    granted("twice-the-same", asked([TWO, TWO]), [TWO])
    granted("members-in-another-order", asked([dict(reversed(ONE.items()))]), [ONE], "RFC 8259 section 4")
    granted("with-escapes", asked('[{"actions":["\\u0072ead"],"\\u0074ype":"chat_search"}]'), [TWO], "RFC 8259 section 8.3")
    granted("another-spelling-of-a-number", asked(json.dumps([ONE]).replace("1.5", "15e-1")), [ONE], "RFC 8259 section 6")
    granted("with-scope", asked([TWO], ("scope", "chat.read")), [TWO])
    granted("without-the-type-that-no-grant-allows", asked([TWO], claim=[TWO, {"type": "chat_export"}]), [TWO], "row 67")
    granted("after-a-refusal", asked([TWO]), [TWO], "row 42", before=["details-not-in-the-assertion"])

    refused("claimed-type-that-no-grant-allows", usual(authorization_details=[TWO, {"type": "chat_export"}]),
            "authorization_details_not_allowed", "the request does not leave the type out", "row 67", code="invalid_grant",
            control="details-without-the-type-that-no-grant-allows")
    refused("asked-type-that-no-grant-allows", asked([{"type": "chat_export"}], claim=[TWO, {"type": "chat_export"}]),
            "authorization_details_not_allowed", "the request asks for that type", "row 67", code="invalid_grant",
            control="details-without-the-type-that-no-grant-allows")
    missing = "authorization_details_not_in_assertion"
    refused("not-in-the-assertion", asked([{"type": "chat_search", "actions": ["write"]}]), missing, "another element")
    refused("one-of-two-not-in-the-assertion", asked([TWO, {"type": "chat_search"}]), missing, "a second element that is not there")
    refused("of-no-claim", asked([TWO], claim=None), missing, "the assertion has no such claim")
    refused("of-an-empty-claim", asked([TWO], claim=[]), missing, "the claim is empty")
    for name, element in (
        ("fewer-members", {"type": "chat_channel"}), ("more-members", {**TWO, "limit": 1}),
        ("array-in-another-order", {**ONE, "channels": ["help", "general"]}), ("shorter-array", {**ONE, "channels": ["general"]}),
        ("a-number-as-a-string", {**ONE, "limit": "10"}), ("an-integer-as-a-fraction", {**ONE, "limit": 10.0}),
        ("another-number", {**ONE, "limit": 11}), ("zero-for-false", {**ONE, "options": {"archived": 0, "since": None}}),
        ("null-left-out", {**ONE, "options": {"archived": False}}), ("another-case", {**TWO, "actions": ["Read"]}),
        ("type-in-another-case", {**TWO, "type": "Chat_search"}), ("name-in-another-case", {"type": "chat_search", "Actions": ["read"]}),
    ):
        refused(name, asked([element]), missing, f"an element that is not equal: {name.replace('-', ' ')}", "row 67; RFC 8259")
    malformed = "authorization_details_request_malformed"
    for name, text in (
        ("empty-array", "[]"), ("no-json", "chat_search"), ("cut-short", '[{"type":"chat_search"'),
        ("an-object", json.dumps(TWO)), ("null", "null"), ("a-string", '"chat_search"'), ("array-of-strings", '["chat_search"]'),
        ("array-of-arrays", json.dumps([[TWO]])), ("array-with-null", json.dumps([TWO, None])),
        ("type-missing", '[{"actions":["read"]}]'), ("type-empty", '[{"type":""}]'), ("type-a-number", '[{"type":1}]'),
        ("two-values", json.dumps([TWO]) + "[]"), ("more-members-behind", json.dumps([TWO]) + ',"x":1'),
        ("member-twice", '[{"type":"chat_search","actions":["read"],"actions":["read"]}]'),
        ("member-twice-and-once-escaped", '[{"type":"chat_search","\\u0074ype":"chat_export","actions":["read"]}]'),
        ("lone-surrogate", '[{"type":"chat_search","actions":["\\ud800"]}]'), ("not-a-number", '[{"type":"chat_search","n":NaN}]'),
        ("number-out-of-range", '[{"type":"chat_search","n":1e400}]'), ("comment", '[{"type":"chat_search"/**/}]'),
        ("comma-too-many", '[{"type":"chat_search"},]'), ("nested-deep", '[{"type":"chat_search","n":' + "[" * 15 + "]" * 15 + "}]"),
        ("65-elements", json.dumps([TWO] * 65)), ("16-kib", json.dumps([TWO]) + " " * 16384),
    ):
        refused(name, asked(text), malformed, name.replace("-", " "), "RFC 9396 section 5; row 76")
    error("details-twice", "row 4; RFC 6749 section 3.2", 400, "invalid_request", "parameter_repeated", "the parameter comes twice",
          world=WORLD, control="details-one", body=asked([TWO], ("authorization_details", json.dumps([TWO]))))
    error("details-before-the-client", "RFC 6749 section 2.3", 401, "invalid_client", "client_auth_missing", "no proof of the client",
          world=WORLD, control="details-one", headers=[endpoint.FORM], body=asked([TWO]))
