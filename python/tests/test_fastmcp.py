"""The door of FastMCP, alone and inside `MultiAuth`, with a real server over HTTP."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from company import ACME, CLIENT, GLOBEX, GRANT_TYPE, basic, configuration
from fastmcp import Client, FastMCP
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.server.auth import MultiAuth, StaticTokenVerifier
from fastmcp.server.auth.providers.in_memory import InMemoryOAuthProvider
from fastmcp.server.dependencies import get_access_token
from mcp.server.auth.settings import ClientRegistrationOptions
from serving import listening, served

import idjag
from idjag.fastmcp import IdJagAuth


def server(auth: Any) -> FastMCP[Any]:
    mcp: FastMCP[Any] = FastMCP("chat", auth=auth)

    @mcp.tool
    def whoami() -> dict[str, Any]:
        """Who the tool sees."""
        token = get_access_token()
        assert token is not None
        return {
            "subject": token.subject,
            "scopes": token.scopes,
            "idp": token.claims.get("idp"),
            "groups": token.claims.get("groups"),
        }

    return mcp


async def token_of(origin: str, resource: str, path: str = "/token", **claims: Any) -> Any:
    async with httpx2.AsyncClient(base_url=origin) as http:
        form = {"grant_type": GRANT_TYPE, "assertion": ACME.id_jag(origin, resource, **claims)}
        response = await http.post(path, data=form, headers={"Authorization": basic()})
    assert response.status_code == 200, response.text
    return response.json()["access_token"]


async def called(resource: str, token: str) -> Any:
    transport = StreamableHttpTransport(resource, auth=token)
    async with Client(transport) as client:
        return (await client.call_tool("whoami")).data


async def test_alone() -> None:
    listener, origin = listening()
    resource = f"{origin}/mcp"
    exchange = idjag.Exchange(configuration(origin, resource))
    auth = IdJagAuth(exchange, resource=resource, required_scopes=["chat.read"])
    assert auth.scopes_supported == ["chat.read", "chat.history"]
    async with served(server(auth).http_app(), listener), httpx2.AsyncClient(base_url=origin) as http:
        token = await token_of(origin, resource)
        assert await called(resource, token) == {
            "subject": "1001",
            "scopes": ["chat.read", "chat.history"],
            "idp": ACME.issuer,
            "groups": ["eng"],
        }
        metadata = await http.get("/.well-known/oauth-authorization-server")
        assert metadata.json()["issuer"] == origin
        asked = await http.post("/mcp", json={})
        assert asked.status_code == 401
        challenge = asked.headers["www-authenticate"]
        document = challenge.split('resource_metadata="')[1].split('"')[0]
        assert (await http.get(document)).json()["resource"] == resource
        exchange.revoke(idjag.Revocation.person("1001", issuer=GLOBEX.issuer))
        assert (await called(resource, token))["subject"] == "1001", "the other 1001"
        exchange.revoke(idjag.Revocation.person("1001", issuer=ACME.issuer))
        refused = await http.post("/mcp", json={}, headers={"Authorization": f"Bearer {token}"})
        assert refused.status_code == 401


async def test_too_few_scopes_are_a_step_up() -> None:
    listener, origin = listening()
    resource = f"{origin}/mcp"
    exchange = idjag.Exchange(configuration(origin, resource))
    auth = IdJagAuth(exchange, resource=resource, required_scopes=["chat.history"])
    async with served(server(auth).http_app(), listener), httpx2.AsyncClient(base_url=origin) as http:
        token = await token_of(origin, resource, groups=["sales"])
        refused = await http.post("/mcp", json={}, headers={"Authorization": f"Bearer {token}"})
        assert refused.status_code == 403
        assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]


async def test_beside_a_provider_that_owns_the_routes() -> None:
    listener, origin = listening()
    resource = f"{origin}/mcp"
    config = configuration(f"{origin}/enterprise", resource)
    exchange = idjag.Exchange(config)
    theirs = InMemoryOAuthProvider(
        base_url=origin, client_registration_options=ClientRegistrationOptions(enabled=True)
    )
    ours = IdJagAuth(exchange, resource=resource)
    mcp = server(MultiAuth(server=theirs, verifiers=[ours]))
    ours.mount(mcp)
    async with served(mcp.http_app(), listener), httpx2.AsyncClient(base_url=origin) as http:
        form = {
            "grant_type": GRANT_TYPE,
            "assertion": ACME.id_jag(f"{origin}/enterprise", resource),
        }
        answer = await http.post("/enterprise/token", data=form, headers={"Authorization": basic()})
        assert answer.status_code == 200, answer.text
        seen = await called(resource, answer.json()["access_token"])
        assert (seen["subject"], seen["groups"]) == ("1001", ["eng"])
        metadata = (await http.get("/.well-known/oauth-authorization-server")).json()
        assert "authorization_endpoint" in metadata, "theirs"
        metadata = (await http.get("/.well-known/oauth-authorization-server/enterprise")).json()
        assert metadata["issuer"] == f"{origin}/enterprise"
        for method in ("GET", "PUT"):
            wrong = await http.request(method, "/enterprise/token")
            assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")


async def test_beside_a_verifier() -> None:
    exchange = idjag.Exchange(configuration("https://a.example", "https://mcp.example/mcp"))
    ours = IdJagAuth(exchange, resource="https://mcp.example/mcp")
    other = StaticTokenVerifier({"static": {"client_id": "machine", "scopes": []}})
    both = MultiAuth(verifiers=[other, ours])
    issued = exchange.exchange(ACME.id_jag("https://a.example", "https://mcp.example/mcp"), client_id=CLIENT)
    token = await both.verify_token(issued.access_token)
    assert token is not None
    assert (token.subject, token.original_client_id) == ("1001", CLIENT)
    assert await both.verify_token("static") is not None
    assert await both.verify_token("neither") is None
    elsewhere = IdJagAuth(exchange, resource="https://mcp.example/other")
    assert await elsewhere.verify_token(issued.access_token) is None
    with pytest.raises(TypeError):
        IdJagAuth(exchange)  # type: ignore[call-arg]
