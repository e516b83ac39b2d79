"""Clients by metadata document (draft-ietf-oauth-client-id-metadata-document): what is asked for, and when.

`documents` of a case says what is to be had where: a text, null where there is nothing, and whatever is not listed cannot be
asked. `fetched` of `expect` are the URLs that were asked for, in order.
"""

import json

import endpoint
import keys
import sign
from endpoint import ASSERTION_TYPE, FORM, GRANT, assertion, basic, client_assertion, error, form, token
from names import ACME, EXP, IAT, ISSUER, NOTES, NOW
from table import DROP, claims, header, merged

WORLD = "requests-documents"
URL = "https://client.example/app.json"
KEYS_URL = "https://client.example/keys.json"
KEYS = json.dumps({"keys": [keys.public("client-rs256")]})
PROFILE = "urn:ietf:params:oauth:grant-profile:id-jag"


def document(url=URL, **edits) -> str:
    """A public client's document; an edit to DROP takes the member away."""
    return json.dumps(merged({
        "client_id": url, "client_name": "Test client", "redirect_uris": ["https://client.example/back"],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", GRANT, "urn:ietf:params:oauth:grant-type:token-exchange"],
        "authorization_grant_profiles_supported": [PROFILE],
    }, edits))


def with_keys(**edits) -> str:
    """The same with keys in it."""
    return document(**{"token_endpoint_auth_method": "private_key_jwt", "jwks": json.loads(KEYS), **edits})


def body(client_id=URL, *more, jag=None, proof=None, named=True, kind=ASSERTION_TYPE, **edits) -> str:
    """A request by that client."""
    pairs = [("grant_type", GRANT), ("assertion", jag or assertion(client_id, **edits)), *more]
    if named:
        pairs.append(("client_id", client_id))
    if proof:
        pairs += [("client_assertion", proof)]
    if proof and kind:
        pairs += [("client_assertion_type", kind)]
    return form(*pairs)


def requests() -> None:
    """Public clients, clients with keys, and all that must not make us fetch."""
    endpoint.begin("documents")
    origin = "row 14; draft-ietf-oauth-client-id-metadata-document section 4"
    public = {URL: document()}
    usual = {"world": WORLD, "headers": [FORM]}

    def granted(name, text, documents, fetched, why=origin, **rest):
        token(f"document-{name}", why, body=text, documents=documents, fetched=fetched, **{**usual, **rest})

    def refused(name, text, slug, differs, *, documents=public, fetched=(), status=400, code="invalid_grant",
                control="document-public", why=origin, **rest):
        if status == 503:
            rest["headers_out"] = {"retry-after": "1"}
        error(f"document-{name}", why, status, code, slug, differs, body=text, documents=documents, fetched=list(fetched),
              control=control, **{**usual, **rest})

    def invalid_client(name, text, slug, differs, **rest):
        refused(name, text, slug, differs, **{"status": 401, "code": "invalid_client", "fetched": [URL], **rest})

    granted("public", body(), public, [URL])
    granted("without-profiles", body(), {URL: document(authorization_grant_profiles_supported=DROP)}, [URL])
    granted("with-scope", body(URL, ("scope", "chat.read")), public, [URL])
    granted("jwt", body(proof=client_assertion(URL)), {URL: with_keys()}, [URL])
    granted("jwt-with-keys-elsewhere", body(proof=client_assertion(URL)),
            {URL: with_keys(jwks=DROP, jwks_uri=KEYS_URL), KEYS_URL: KEYS}, [URL, KEYS_URL])
    granted("jwt-where-keys-are-asked", body(proof=client_assertion(URL)), {URL: with_keys()}, [URL], world="requests-documents-keys")
    granted("after-a-refusal-that-fetched", body(), public, [URL], "row 42", before=["document-jwt-of-a-public-client"])

    # What must not make us fetch: the assertion first.
    fetch = "attack 36; issue: only when a trusted, verified, unexpired, unspent ID-JAG names that client"
    for name, slug, edits in (
        ("expired", "expired", {"exp": NOW - 31, "iat": NOW - 300}), ("not-yet", "issued_in_future", {"iat": NOW + 31, "exp": NOW + 60}),
        ("issuer-untrusted", "issuer_untrusted", {"iss": "https://attacker.example"}), ("issuer-with-a-slash", "issuer_untrusted", {"iss": f"{ACME}/"}),
        ("issuer-ourselves", "issuer_is_self", {"iss": ISSUER}), ("audience-another", "audience_mismatch", {"aud": "https://other.example/"}),
        ("client-id-another", "client_mismatch", {"client_id": "https://client.example/other.json"}),
        ("client-id-missing", "client_id_malformed", {"client_id": DROP}), ("jti-missing", "jti_malformed", {"jti": DROP}),
        ("resource-unknown", "resource_unknown", {"resource": "https://other.example/"}),
        ("bound-to-a-key", "proof_required", {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}),
    ):
        edits = {"client_id": URL, **edits}
        jag = sign.by_hand(sign.compact(header("RS256", "acme-rs256")), sign.compact(claims(**edits)), "RS256", "acme-rs256")
        refused(f"not-fetched-{name}", body(jag=jag), slug, f"the assertion: {name.replace('-', ' ')}", why=fetch)
    text = sign.compact(claims(client_id=URL))
    forged = sign.by_hand(sign.compact(header("RS256", "acme-rs256")), text, "RS256", "attacker-rs256")
    refused("not-fetched-forged", body(jag=forged), "signature_invalid", "signed by another key", why=fetch)
    unsigned = f"{keys.b64u(sign.compact({'alg': 'none', 'typ': 'oauth-id-jag+jwt'}).encode())}.{keys.b64u(text.encode())}."
    refused("not-fetched-unsigned", body(jag=unsigned), "alg_not_allowed", "no signature", why=fetch)
    refused("not-fetched-garbage", body(jag="a.b.c"), "encoding_invalid", "no assertion", why=fetch)
    refused("not-fetched-spent", body(), "replayed", "sent before", why=fetch, before=["document-public"])
    refused("not-fetched-group-missing", body(groups=["sales"]), "group_required", "a person without access", code="access_denied", why=fetch)
    refused("not-fetched-scope", body(URL, ("scope", "chat.write")), "scope_not_available", "a scope that is not to be had",
            code="invalid_scope", why=fetch)
    refused("not-fetched-connector", body(resource=NOTES), "connector_not_enabled", "a connector that is not on", code="access_denied", why=fetch)

    # Who is not proven yet uses up nothing of the client's: what comes before an IdP's signature is a failure of the peer.
    limits = {"world": "requests-documents-limited", "peer": "192.0.2.1", "why": "row 75; EMA 7.5.1"}
    granted("limits-public", body(), public, [URL], **limits)
    refused("limits-forged", body(jag=forged), "signature_invalid", "signed by another key", control="document-limits-public", **limits)
    three, later = ["document-limits-forged"] * 3, {"status": 429, "code": "temporarily_unavailable"}
    refused("limits-after-three", body(), "too_many_failures", "three forged ones before", control="document-limits-public", before=three,
            headers_out={"retry-after": "20"}, **later, **limits)
    granted("limits-of-another-peer", body(), public, [URL], before=three, **{**limits, "peer": "192.0.2.2"})
    # What an IdP signed for this client is refused as to the client itself, and holds up nothing that is granted.
    refused("limits-group-missing", body(groups=["sales"]), "group_required", "a person without access", code="access_denied",
            control="document-limits-public", **limits)
    two = ["document-limits-group-missing"] * 2
    refused("limits-group-missing-after-two", body(groups=["sales"]), "too_many_refusals", "a person without access, for the third time",
            control="document-limits-public", before=two, headers_out={"retry-after": "30"}, **later, **limits)
    granted("limits-granted-after-two", body(), public, [URL], before=two, **limits)

    # The URL second: such a client is nobody.
    for name, url in (
        ("origin-another", "https://other.example/app.json"), ("origin-longer", "https://client.example.attacker.example/app.json"),
        ("origin-with-a-user", "https://client.example@attacker.example/app.json"), ("user", "https://user@client.example/app.json"),
        ("port", "https://client.example:8443/app.json"), ("usual-port", "https://client.example:443/app.json"),
        ("http", "http://client.example/app.json"), ("capitals", "https://CLIENT.example/app.json"),
        ("scheme-in-capitals", "HTTPS://client.example/app.json"), ("no-path", "https://client.example"),
        ("slash-alone", "https://client.example/"), ("query", f"{URL}?a=b"), ("fragment", f"{URL}#a"),
        ("dot-segment", "https://client.example/x/../app.json"), ("escaped-dot-segment", "https://client.example/%2e%2e/app.json"),
        ("space", "https://client.example/app .json"), ("long", "https://client.example/" + "x" * 1024),
        ("metadata-address", "https://169.254.169.254/latest"), ("loopback", "https://localhost/app.json"), ("file", "file:///etc/passwd"),
    ):
        invalid_client(f"not-fetched-{name}", body(url), "client_unknown", f"the `client_id`: {name.replace('-', ' ')}",
                       documents={url: document(url)}, fetched=[], why="attack 36; section 3 of the draft")
    invalid_client("not-fetched-where-none-count", body(), "client_unknown", "no `client_documents`", fetched=[], world="requests")
    invalid_client("not-fetched-with-a-secret", body(URL, ("client_secret", "x")), "client_unknown", "a secret beside", fetched=[])
    error("document-not-fetched-with-basic", origin, 401, "invalid_client", "client_unknown", "Basic beside", world=WORLD,
          headers=[FORM, basic(URL, "x")], body=body(), documents=public, fetched=[], control="document-public",
          headers_out={"www-authenticate": f'Basic realm="{ISSUER}"'})
    invalid_client("not-fetched-where-the-client-is-not-named", body(named=False), "client_auth_missing", "no `client_id`", fetched=[])
    invalid_client("not-fetched-named-by-its-proof-only", body(named=False, proof=client_assertion(URL)), "client_unknown",
                   "no `client_id`", fetched=[], control="document-jwt", documents={URL: with_keys()})
    written = "https://client.example/written-down.json"
    invalid_client("not-fetched-of-a-configured-client", body(written), "client_auth_missing", "a configured client with that URL",
                   fetched=[], documents={written: document(written)})

    # Then the document.
    invalid_client("absent", body(), "client_document_missing", "no document", documents={URL: None})
    refused("unavailable", body(), "client_document_unavailable", "no answer", documents={}, fetched=[URL], status=503,
            code="temporarily_unavailable")
    for name, text in (
        ("empty", ""), ("html", "<html></html>"), ("array", "[]"), ("another-client-id", document(client_id=URL + "x")),
        ("client-id-missing", document(client_id=DROP)), ("client-id-a-number", document(client_id=1)),
        ("client-id-in-capitals", document(client_id=URL.upper())), ("client-id-with-a-port", document(client_id=URL.replace("example/", "example:443/"))),
        ("grant-types-missing", document(grant_types=DROP)), ("grant-types-others", document(grant_types=["authorization_code"])),
        ("grant-types-a-string", document(grant_types=GRANT)), ("grant-types-with-a-number", document(grant_types=[GRANT, 1])),
        ("other-profiles", document(authorization_grant_profiles_supported=["x"])),
        ("profiles-a-string", document(authorization_grant_profiles_supported=PROFILE)),
        ("with-a-secret", document(client_secret="x")), ("with-the-expiry-of-a-secret", document(client_secret_expires_at=0)),
        ("member-twice", document()[:-1] + f', "client_id": "{URL}"}}'), ("member-twice-and-once-escaped", document()[:-1] + ', "client\\u005fid": "x"}'),
        ("text-behind", document() + "x"), ("16-kib", document() + " " * 16384),
    ):
        invalid_client(f"invalid-{name}", body(), "client_document_invalid", name.replace("-", " "), documents={URL: text})
    for method in ("client_secret_basic", "client_secret_post", "client_secret_jwt", "tls_client_auth", "None", "", DROP, 1, None):
        name = {None: "null", DROP: "missing", "": "empty", 1: "a-number", "None": "in-capitals"}.get(method, method)
        slug = "client_document_method_not_allowed" if method is DROP or isinstance(method, str) else "client_document_invalid"
        invalid_client(f"method-{str(name).replace('_', '-')}", body(), slug, "another way of authentication",
                       documents={URL: document(token_endpoint_auth_method=method)})
    refused("public-not-listed", body(), "client_public", "only clients with keys", code="unauthorized_client",
            world="requests-documents-keys", control="document-jwt-where-keys-are-asked", fetched=[URL], why="row 13; draft section 8.1")

    jwt = {"control": "document-jwt"}
    other = {"keys": [keys.public("attacker-rs256")]}
    for name, text in (
        ("keys-missing", with_keys(jwks=DROP)), ("keys-twice", with_keys(jwks_uri=KEYS_URL)), ("keys-empty", with_keys(jwks={"keys": []})),
        ("keys-a-string", with_keys(jwks="x")), ("keys-symmetric", with_keys(jwks={"keys": [{"kty": "oct", "k": "AAAA"}]})),
        ("keys-at-another-origin", with_keys(jwks=DROP, jwks_uri="https://other.example/keys.json")),
        ("keys-over-http", with_keys(jwks=DROP, jwks_uri="http://client.example/keys.json")),
        ("keys-at-a-private-address", with_keys(jwks=DROP, jwks_uri="https://127.0.0.1/keys.json")),
        ("keys-at-another-origin-that-counts", with_keys(jwks=DROP, jwks_uri="https://second.example/keys.json")),
    ):
        invalid_client(f"jwt-{name}", body(proof=client_assertion(URL)), "client_document_invalid", name.replace("-", " "),
                       documents={URL: text, "https://second.example/keys.json": KEYS}, **jwt)
    elsewhere = with_keys(jwks=DROP, jwks_uri=KEYS_URL)
    invalid_client("jwt-keys-absent", body(proof=client_assertion(URL)), "client_document_invalid", "no keys there",
                   documents={URL: elsewhere, KEYS_URL: None}, control="document-jwt-with-keys-elsewhere", fetched=[URL, KEYS_URL])
    refused("jwt-keys-unavailable", body(proof=client_assertion(URL)), "client_keys_unavailable", "no answer for the keys", status=503,
            code="temporarily_unavailable", documents={URL: elsewhere}, control="document-jwt-with-keys-elsewhere", fetched=[URL, KEYS_URL])
    invalid_client("jwt-of-another-key", body(proof=client_assertion(URL)), "client_assertion_signature", "other keys in the document",
                   documents={URL: with_keys(jwks=other)}, **jwt)
    documents = {"documents": {URL: with_keys()}}
    invalid_client("jwt-missing", body(), "client_auth_missing", "no proof", **documents, **jwt)
    invalid_client("jwt-type-missing", body(proof=client_assertion(URL), kind=None), "client_auth_malformed", "no type", **documents, **jwt)
    invalid_client("jwt-for-the-token-endpoint", body(proof=client_assertion(URL, aud=endpoint.TOKEN_ENDPOINT)), "client_assertion_audience",
                   "`aud`", **documents, **jwt)
    invalid_client("jwt-expired", body(proof=client_assertion(URL, exp=NOW - 31)), "client_assertion_time", "it has expired", **documents, **jwt)
    invalid_client("jwt-issuer-another", body(proof=client_assertion(URL, iss="x")), "client_assertion_malformed", "`iss`", **documents, **jwt)
    refused("jwt-of-another-client", body(proof=client_assertion("client-jwt")), "client_ids_differ", "the proof of another client",
            code="invalid_request", fetched=[URL], **documents, **jwt)
    invalid_client("jwt-again", body(proof=client_assertion(URL), jag=assertion(URL, jti="another-jti")), "client_assertion_replayed",
                   "the proof was sent before", before=["document-jwt"], **documents, **jwt)
    invalid_client("jwt-of-a-public-client", body(proof=client_assertion(URL)), "client_auth_method_mismatch", "a proof beside")
