"""Bound tokens at MCP servers: with the SDK and FastMCP themselves, over HTTP, and certificates by hand."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from company import ACME, CLIENT, GRANT_TYPE, basic, configuration, connector
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fastmcp import FastMCP
from fastmcp.server.auth import MultiAuth, StaticTokenVerifier
from fastmcp.server.dependencies import get_access_token as fastmcp_access_token
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import IdentityAssertionParams, TokenError
from mcp.server.auth.settings import AuthSettings
from mcp.shared.auth import OAuthClientInformationFull
from serving import listening, served
from test_dpop import encoded, proof

import idjag
import idjag.mcp
from idjag.bound import BoundTokens
from idjag.fastmcp import IdJagAuth

ACCEPT = {"Accept": "application/json, text/event-stream"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
}
CALL = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}


def whoami() -> str:
    """Who the tool sees."""
    token = get_access_token() or fastmcp_access_token()
    assert token is not None
    return f"{token.subject} with {(token.claims or {}).get('cnf')}"


def sdk(exchange: idjag.Exchange, resource: str, *, bound: bool) -> Any:
    server = MCPServer(
        "chat",
        token_verifier=idjag.mcp.TokenVerifier(exchange, resource=resource),
        auth=AuthSettings.model_validate(
            {
                "issuer_url": resource.removesuffix("/mcp"),
                "resource_server_url": resource,
                "validate_token_resource": False,
            }
        ),
    )
    server.tool()(whoami)
    app = server.streamable_http_app()
    app.router.routes[:0] = idjag.mcp.routes(exchange, resources=[resource])
    return BoundTokens(app, exchange, resource=resource) if bound else app


def fastmcp(exchange: idjag.Exchange, resource: str, *, bound: bool) -> Any:
    auth: Any = IdJagAuth(exchange, resource=resource)
    mcp: FastMCP[Any] = FastMCP("chat", auth=auth if bound else MultiAuth(verifiers=[auth]))
    mcp.tool(whoami)
    if not bound:
        auth.mount(mcp)
    return mcp.http_app()


class Client:
    """A client that has a key, and what it gets."""

    def __init__(self, origin: str, exchange: idjag.Exchange, http: httpx2.AsyncClient) -> None:
        self.origin, self.exchange, self.http = origin, exchange, http
        self.resource = f"{origin}/mcp"
        self.key = ec.generate_private_key(ec.SECP256R1())

    async def token(self, **claims: Any) -> str:
        form = {"grant_type": GRANT_TYPE, "assertion": ACME.id_jag(self.origin, self.resource, **claims)}
        headers = {"Authorization": basic(), "DPoP": proof(self.key, "POST", f"{self.origin}/token")}
        answer = await self.http.post("/token", data=form, headers=headers)
        assert (answer.status_code, answer.json()["token_type"]) == (200, "DPoP"), answer.text
        token: str = answer.json()["access_token"]
        return token

    def proof(self, token: str | None, **more: Any) -> str:
        return proof(more.get("key", self.key), "POST", more.get("url", self.resource), token)

    async def post(self, headers: Any, message: Any = INITIALIZE) -> httpx2.Response:
        given = [*ACCEPT.items(), *(headers.items() if isinstance(headers, dict) else headers)]
        return await self.http.post("/mcp", json=message, headers=given)


@asynccontextmanager
async def serving(make: Any, *, bound: bool = True, **more: Any) -> AsyncIterator[Client]:
    listener, origin = listening()
    config = configuration(origin, f"{origin}/mcp", **more)
    if "connectors" in more:
        config["connectors"][0]["resource"] = f"{origin}/mcp"
    exchange = idjag.Exchange(config)
    app = make(exchange, f"{origin}/mcp", bound=bound)
    async with served(app, listener), httpx2.AsyncClient(base_url=origin) as http:
        yield Client(origin, exchange, http)


@pytest.mark.parametrize("make", [sdk, fastmcp])
async def test_a_tool_is_called_with_a_bound_token(make: Any) -> None:
    async with serving(make) as client:
        token = await client.token()
        opened = await client.post({"Authorization": f"DPoP {token}", "DPoP": client.proof(token)})
        assert opened.status_code == 200, opened.text
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        # Each request with a proof of its own.
        called = await client.post(
            session | {"Authorization": f"dpop {token}", "DPoP": client.proof(token)}, CALL
        )
        assert called.status_code == 200
        assert "1001 with {'jkt': " in called.text
        # What the session was opened with is no proof of what comes later.
        for scheme in ("Bearer", "DPoP"):
            later = await client.post(session | {"Authorization": f"{scheme} {token}"}, CALL)
            assert later.status_code == 401


@pytest.mark.parametrize("make", [sdk, fastmcp])
async def test_what_is_not_proven_is_refused_and_told_how(make: Any) -> None:
    async with serving(make) as client:
        token = await client.token()

        async def refused(headers: Any) -> str:
            answer = await client.post(headers)
            assert answer.status_code == 401, answer.text
            challenges = answer.headers.get_list("www-authenticate")
            assert len(challenges) == 1
            assert f'resource_metadata="{client.origin}/.well-known/' in challenges[0]
            return challenges[0].partition(",")[0]

        good = client.proof(token)
        dpop = f"DPoP {token}"
        assert await refused({"Authorization": f"Bearer {token}"}) == 'DPoP error="invalid_token"'
        bearer = {"Authorization": f"Bearer {token}", "DPoP": good}
        assert await refused(bearer) == 'DPoP error="invalid_token"', "a proof beside the wrong scheme"
        assert await refused({"Authorization": dpop}) == 'DPoP error="invalid_dpop_proof"'
        for wrong in (
            client.proof(None),
            client.proof(token, url=f"{client.origin}/other"),
            client.proof(token + "x"),
            "x",
        ):
            assert await refused({"Authorization": dpop, "DPoP": wrong}) == 'DPoP error="invalid_dpop_proof"'
        other = client.proof(token, key=ec.generate_private_key(ec.SECP256R1()))
        assert (await refused({"Authorization": dpop, "DPoP": other})).startswith("DPoP error=")
        twice = [("Authorization", dpop), ("DPoP", good), ("DPoP", client.proof(token))]
        assert await refused(twice) == 'DPoP error="invalid_dpop_proof"'
        assert (await refused([("Authorization", dpop), ("Authorization", dpop), ("DPoP", good)])).startswith(
            "Bearer "
        ), "two tokens are none"
        # None of that has spent it, and it is good once.
        assert (await client.post({"Authorization": dpop, "DPoP": good})).status_code == 200
        assert await refused({"Authorization": dpop, "DPoP": good}) == 'DPoP error="invalid_dpop_proof"'
        assert (await refused({"Authorization": "DPoP x", "DPoP": client.proof("x")})).startswith(
            ("Bearer error=", "DPoP error=")
        )
        assert (await refused({})).startswith("Bearer ")


@pytest.mark.parametrize("make", [sdk, fastmcp])
async def test_bearer_tokens_go_on_as_before(make: Any) -> None:
    async with serving(make) as client:
        issued = client.exchange.exchange(ACME.id_jag(client.origin, client.resource), client_id=CLIENT)
        assert issued.token_type == "Bearer"
        token = issued.access_token
        assert (await client.post({"Authorization": f"Bearer {token}"})).status_code == 200
        # A token that is bound to nothing has no proof, and one scheme.
        for proofs in ({}, {"DPoP": client.proof(token)}):
            assert (await client.post({"Authorization": f"DPoP {token}"} | proofs)).status_code == 401


@pytest.mark.parametrize("make", [sdk, fastmcp])
async def test_without_it_bound_tokens_are_refused(make: Any) -> None:
    async with serving(make, bound=False) as client:
        token = await client.token()
        for scheme in ("Bearer", "DPoP"):
            headers = {"Authorization": f"{scheme} {token}", "DPoP": client.proof(token)}
            assert (await client.post(headers)).status_code == 401


@pytest.mark.parametrize("make", [sdk, fastmcp])
async def test_a_connector_that_requires_it_says_so(make: Any) -> None:
    strict = connector("") | {"require": ["dpop"]}
    async with serving(make, connectors=[strict], dpop={"nonce": True}) as client:
        missing = await client.post({})
        assert missing.status_code == 401
        assert missing.headers["www-authenticate"].startswith("DPoP algs=")
        # A client that failed at the token endpoint is told about that, not about the resource.
        form = {"grant_type": GRANT_TYPE, "assertion": ACME.id_jag(client.origin, client.resource)}
        for authorization in ({}, {"Authorization": basic(secret="wrong")}):
            failed = await client.http.post("/token", data=form, headers=authorization)
            assert failed.status_code == 401
            assert not failed.headers.get("www-authenticate", "Basic").startswith("DPoP")


async def test_a_nonce_is_asked_for_and_given() -> None:
    async with serving(sdk, dpop={"nonce": True}) as client:
        form = {"grant_type": GRANT_TYPE, "assertion": ACME.id_jag(client.origin, client.resource)}
        headers = {"Authorization": basic(), "DPoP": proof(client.key, "POST", f"{client.origin}/token")}
        asked = await client.http.post("/token", data=form, headers=headers)
        assert asked.json()["error"] == "use_dpop_nonce"
        headers["DPoP"] = proof(
            client.key, "POST", f"{client.origin}/token", nonce=asked.headers["dpop-nonce"]
        )
        token = (await client.http.post("/token", data=form, headers=headers)).json()["access_token"]
        dpop = {"Authorization": f"DPoP {token}", "DPoP": client.proof(token)}
        asked = await client.post(dpop)
        assert asked.status_code == 401
        assert asked.headers["www-authenticate"].startswith('DPoP error="use_dpop_nonce"')
        dpop["DPoP"] = proof(client.key, "POST", client.resource, token, nonce=asked.headers["dpop-nonce"])
        assert (await client.post(dpop)).status_code == 200


async def test_other_verifiers_get_what_came() -> None:
    """`BoundTokens` around a server that takes tokens of others, too."""
    listener, origin = listening()
    resource = f"{origin}/mcp"
    exchange = idjag.Exchange(configuration(origin, resource))
    ours = IdJagAuth(exchange, resource=resource)
    static = StaticTokenVerifier({"static": {"client_id": "machine", "scopes": []}})
    mcp: FastMCP[Any] = FastMCP("chat", auth=MultiAuth(verifiers=[static, ours]))
    ours.mount(mcp)
    app = BoundTokens(mcp.http_app(), exchange, resource=resource)
    async with served(app, listener), httpx2.AsyncClient(base_url=origin) as http:
        client = Client(origin, exchange, http)
        assert (await client.post({"Authorization": "Bearer static"})).status_code == 200
        proven = {"Authorization": "DPoP static", "DPoP": client.proof("static")}
        assert (await client.post(proven)).status_code == 401, "who does not look at proofs gets none"
        token = await client.token()
        dpop = {"Authorization": f"DPoP {token}", "DPoP": client.proof(token)}
        assert (await client.post(dpop)).status_code == 200


def certificate() -> x509.Certificate:
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "t")]),
    )
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )


async def test_a_token_that_is_bound_to_a_certificate_needs_it() -> None:
    """As a server hands certificates over that has the ASGI extension for TLS."""
    origin, resource = "https://a.example", "https://a.example/mcp"
    exchange = idjag.Exchange(configuration(origin, resource))
    own, other = certificate(), certificate()
    der = own.public_bytes(serialization.Encoding.DER)
    cnf = {"x5t#S256": encoded(hashlib.sha256(der).digest())}
    form = httpx2.QueryParams({"grant_type": GRANT_TYPE, "assertion": ACME.id_jag(origin, resource, cnf=cnf)})
    answer = exchange.token_endpoint(str(form).encode(), authorization=basic(), client_certificate=der)
    assert answer.status == 200, answer.slug
    token = json.loads(answer.body)["access_token"]
    verifier = idjag.mcp.TokenVerifier(exchange, resource=resource)
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        seen.append(await verifier.verify_token(headers[b"authorization"].decode().removeprefix("Bearer ")))

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    async def asked(presented: x509.Certificate | None) -> Any:
        chain = [] if presented is None else [presented.public_bytes(serialization.Encoding.PEM).decode()]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/mcp",
            "headers": [(b"authorization", f"Bearer {token}".encode())],
            "extensions": {"tls": {"client_cert_chain": chain}},
        }
        await BoundTokens(app, exchange, resource=resource)(scope, nothing, nothing)
        return seen.pop()

    assert await asked(None) is None
    assert await asked(other) is None
    found = await asked(own)
    assert (found.subject, found.claims["cnf"]) == ("1001", cnf)
    assert await verifier.verify_token(token) is None, "what was proven was proven for that request"


async def test_an_assertion_that_is_bound_gets_no_token_where_nothing_can_be_proven() -> None:
    """The SDK's own token handler hands no proof over."""
    exchange = idjag.Exchange(configuration("https://a.example", "https://a.example/mcp"))
    provider = idjag.mcp.AuthorizationServer(
        exchange, resource="https://a.example/mcp", secrets={CLIENT: "secret"}
    )
    client = await provider.get_client(CLIENT)
    assert isinstance(client, OAuthClientInformationFull)
    digest = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")
    for method in ("jkt", "x5t#S256"):
        id_jag = ACME.id_jag("https://a.example", "https://a.example/mcp", cnf={method: digest})
        with pytest.raises(TokenError) as refused:
            await provider.exchange_identity_assertion(client, IdentityAssertionParams(assertion=id_jag))
        assert refused.value.error == "invalid_grant"


def test_what_to_answer() -> None:
    exchange = idjag.Exchange(configuration("https://a.example", "https://a.example/mcp"))
    missing = exchange.verify_request(None, resource="https://a.example/mcp")
    assert isinstance(missing, idjag.Challenge)
    assert (missing.status, missing.slug) == (401, None)
    assert missing.headers == [("WWW-Authenticate", exchange.challenge("https://a.example/mcp"))]
    wrong = exchange.verify_request("\ud800", resource="https://a.example/mcp")
    assert isinstance(wrong, idjag.Challenge)
    assert wrong.slug is not None
    assert wrong.slug not in str(wrong.headers)
    assert wrong.headers[0][1].startswith('Bearer error="invalid_token"')
    issued = exchange.exchange(ACME.id_jag("https://a.example", "https://a.example/mcp"), client_id=CLIENT)
    who = exchange.verify_request(issued.access_token, resource="https://a.example/mcp")
    assert isinstance(who, idjag.VerifiedToken)
    with pytest.raises(TypeError):
        exchange.verify_request(b"x", resource="https://a.example/mcp")  # type: ignore[arg-type]
