"""An MCP client with the official SDK, which gets its token from an ID-JAG and asks nobody for consent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx2
from mcp import ClientSession
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from mcp.types import TextContent

# Audience and resource go in, an ID-JAG of the company's IdP comes out.
AssertionProvider = Callable[[str, str], Awaitable[str]]


class InMemory:
    """Where the SDK keeps its token: in memory, since the next one costs nobody a click."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        raise NotImplementedError("the client is written down, and not registered")


async def call(
    resource: str,
    tool: str,
    *,
    issuer: str,
    client_id: str,
    client_secret: str,
    assertion: AssertionProvider,
    storage: InMemory | None = None,
) -> str:
    """Calls `tool` of the MCP server `resource`, and gives what it says."""
    auth = IdentityAssertionOAuthProvider(
        server_url=resource,
        storage=storage or InMemory(),
        client_id=client_id,
        client_secret=client_secret,
        issuer=issuer,
        assertion_provider=assertion,
        token_endpoint_auth_method="client_secret_basic",
    )
    async with (
        httpx2.AsyncClient(auth=auth) as http,
        streamable_http_client(resource, http_client=http) as streams,
        ClientSession(*streams[:2]) as session,
    ):
        await session.initialize()
        result = await session.call_tool(tool, {})
        return "\n".join(part.text for part in result.content if isinstance(part, TextContent))
