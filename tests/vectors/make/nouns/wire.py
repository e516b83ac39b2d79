"""ID-JAGs as real IdPs send them, and as the drafts print them; names and keys are ours."""

from names import ACME, CHAT, EXP, IAT, ISSUER, NOW
from table import DROP, granted, noun, of, refused

BARE = {"resource": DROP, "groups": DROP}
ACT = {"sub": "wlp1a2b3c4d5e6f7g8h9", "sub_profile": "ai_agent",
       "act": {"sub": "0oa1a2b3c4d5e6f7g8h9", "sub_profile": "web_app"}}


def cases() -> None:
    """All of them."""
    noun("wire")
    okta = {"iss": "https://acme.okta.com", "email": "user@acme.example", "sub_profile": "user", **BARE}
    granted("wire-okta", "wire: a captured Okta exchange", world="okta-scopes", by="pyjwt", alg="RS256", scope="read",
            claim={**okta, "scope": "read", "act": ACT},
            out={"sub": "00u1a2b3c4d5e6f7g8h9", "idp": "https://acme.okta.com", "act": ACT, "email": None, "groups": []})
    refused("wire-okta-too-wide", "wire: a captured Okta exchange", "scope_not_granted", "a wider scope",
            world="okta-scopes", by="pyjwt", alg="RS256", claim={**okta, "scope": "write", "act": ACT},
            control="wire-okta")
    granted("wire-okta-saml", "wire: OKTA-VAL, the SAML variant", world="okta", by="pyjwt", alg="RS256", claim={
        **okta, "sub_id": {
            "format": "saml-nameid", "issuer": "http://www.okta.com/exk1a2b3c4d5e6f7g8h9",
            "nameid": "user@acme.example",
            "nameid_format": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
        }})
    granted("wire-okta-multi-tenant", "wire: OKTA-VAL, aud_tenant and aud_sub", world="okta", by="jose", alg="RS256",
            claim={**okta, "aud_tenant": "acme-at-chat", "aud_sub": "chat-user-7"})
    granted("wire-okta-agent-to-agent", "wire: Okta's agent-to-agent samples", world="okta", by="joserfc", alg="RS256",
            claim={**okta, "email": DROP, "delegated_through": [{"sub": "wlp1"}], "origin": {"sub": "0oa1"},
                   "act": {"sub": "wlp3", "act": {"sub": "wlp2", "act": {"sub": "wlp1", "act": {"sub": "0oa1"}}}}})
    refused("wire-okta-agent-to-agent-without-client", "wire: Okta's agent-to-agent samples", "client_id_malformed",
            "no `client_id`, as some samples have it", world="okta", by="joserfc", alg="RS256",
            claim={**okta, "client_id": DROP}, control="wire-okta-agent-to-agent")
    granted("wire-xaa-dev", "wire: xaa.dev", world="todos", by="jose", alg="RS256", scope="todos.read",
            resource="https://api.todos.example/", client_id="client-at-todo0", claim={
                "iss": "https://idp.xaa.example", "client_id": "client-at-todo0", "groups": DROP,
                "resource": "https://api.todos.example/", "scope": "todos.read"})
    refused("wire-xaa-dev-client-of-the-idp", "wire: xaa.dev, the two client ids mixed up", "client_unknown",
            "the client's name at the IdP", world="todos", by="jose", alg="RS256", client_id="client", claim={
                "iss": "https://idp.xaa.example", "client_id": "client", "groups": DROP,
                "resource": "https://api.todos.example/", "scope": "todos.read"}, control="wire-xaa-dev")
    refused("wire-xaa-dev-audience-normalized", "wire: xaa.dev, the slash that C#'s Uri adds or takes",
            "audience_mismatch", "the audience without its slash", world="todos", by="jose", alg="RS256",
            client_id="client-at-todo0", claim={
                "iss": "https://idp.xaa.example", "aud": ISSUER[:-1], "client_id": "client-at-todo0", "groups": DROP,
                "resource": "https://api.todos.example/", "scope": "todos.read"}, control="wire-xaa-dev")
    granted("wire-conformance", "wire: the MCP conformance IdP: ES256, no kid, no scope, sub is a mail address",
            world="conformance", by="jose", alg="ES256", scope="chat.read chat.history chat.write",
            head={"kid": DROP}, claim={"sub": "user@acme.example", "scope": DROP, "groups": DROP,
                                       "jti": "0f8fad5b-d9cb-469f-a165-70867728950e"})
    granted("wire-better-auth", "wire: better-auth signs with EdDSA unless told otherwise", world="everyone", by="jose",
            alg="EdDSA", claim={"groups": DROP})
    granted("wire-athenz", "wire: Athenz: nbf, nested act, no scope", world="everyone", by="pyjwt", alg="ES256",
            scope="chat.read chat.history", claim={
                "scope": DROP, "groups": DROP, "nbf": IAT, "act": {"sub": "agents.scout", "act": {"sub": "agents.base"}}})
    granted("wire-athenz-of-600-seconds", "wire: Athenz: a window of 600 seconds", world="lifetime-3600", by="pyjwt",
            alg="ES256", claim={"iat": NOW - 300, "nbf": NOW - 300, "exp": NOW + 300})
    refused("wire-athenz-of-600-seconds-by-default", "wire: Athenz: a window of 600 seconds", "lifetime_exceeded",
            "the usual limit of 300 seconds", assertion=of("wire-athenz-of-600-seconds"),
            control="wire-athenz-of-600-seconds")
    granted("wire-ping", "wire: PingFederate: resource, scope, uuid for a jti", world="everyone", by="joserfc",
            alg="RS256", claim={"groups": DROP, "jti": "7d793037-a076-4b0d-8ba6-1e4c7b4b7c6f"})
    granted("wire-draft-minimal", "draft section 3.1: the sample, `typ` alone in the header", world="everyone",
            by="joserfc", alg="ES256", head={"kid": DROP}, scope="chat.read chat.history", claim={
                "resource": DROP, "scope": DROP, "groups": DROP, "jti": "9e43f81b64a33f20116179"})
    granted("wire-draft-full", "draft section 4.4: the sample with resource, scope, auth_time and amr",
            world="everyone", by="joserfc", alg="PS256", claim={
                "groups": DROP, "sub": "U019488227", "auth_time": IAT - 300, "amr": ["mfa", "phrh", "hwk", "user"],
                "jti": "9e43f81b64a33f20116179"}, out={"sub": "U019488227"})
    granted("wire-draft-issuer-with-slash", "draft section 4.4: the sample whose iss ends in a slash",
            world="issuer-with-slash", by="jose", alg="RS256", claim={"iss": f"{ACME}/", "groups": DROP},
            out={"idp": f"{ACME}/"})
    granted("wire-entra-of-tomorrow", "wire 2.1: groups by object id, tid and oid beside them", by="jose", alg="RS256",
            claim={"oid": "0b7a3c4e-0000-4000-8000-000000000001", "tid": "0b7a3c4e-0000-4000-8000-00000000000a",
                   "groups": ["0b7a3c4e-0000-4000-8000-000000000002", "eng"], "ver": "2.0"}, out={"groups": ["eng"]})
    granted("wire-exp-as-long", "RFC 7519: whole seconds written with a fraction", payload=None, by="pyjwt", alg="RS256",
            claim={"exp": float(EXP), "iat": float(IAT)}, resource=CHAT)
