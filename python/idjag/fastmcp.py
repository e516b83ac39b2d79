"""The door of FastMCP (4.x): an auth provider, alone or beside others.

    mcp = FastMCP("chat", auth=idjag.fastmcp.IdJagAuth(exchange, resource="https://mcp.chat.example/mcp"))

or, where another provider owns the routes:

    ours = idjag.fastmcp.IdJagAuth(exchange, resource="https://mcp.chat.example/mcp")
    mcp = FastMCP("chat", auth=MultiAuth(server=theirs, verifiers=[ours]))
    ours.mount(mcp)

`MultiAuth` has only its own middleware: tokens that are bound to a key or a certificate are refused there, unless the
application is wrapped in `idjag.bound.BoundTokens`. Alone, `IdJagAuth` takes them.

In a tool, `get_access_token()` says who asks: `subject`, `scopes`, and in `claims` the `idp`, `tenant` and `groups`.
"""

from __future__ import annotations

import json
from typing import Any

from fastmcp import FastMCP
from fastmcp.server.auth import AccessToken, TokenVerifier
from pydantic import AnyHttpUrl
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Route

import idjag
from idjag.asgi import Application
from idjag.bound import BoundTokens, verified
from idjag.mcp import present_claims

__all__ = ["IdJagAuth"]


class IdJagAuth(TokenVerifier):
    """Verifies access tokens of one `Exchange`, and serves its endpoints.

    Args:
        exchange: The engine.
        resource: The identifier of this MCP server, as its connector names it: the URL of its MCP endpoint.
        required_scopes: Scopes that every request needs.
    """

    def __init__(
        self, exchange: idjag.Exchange, *, resource: str, required_scopes: list[str] | None = None
    ) -> None:
        issuer: str = json.loads(exchange.metadata())["issuer"]
        super().__init__(base_url=issuer, required_scopes=required_scopes)
        self.exchange = exchange
        self.resource = resource

    async def verify_token(self, token: str) -> AccessToken | None:
        """Who presents the token, or `None`. Scopes and groups are those of now, not of the time of issue."""
        who = verified(self.exchange, token, resource=self.resource)
        if who is None:
            return None
        return AccessToken(
            token=token,
            client_id=who.client_id,
            scopes=who.scopes,
            expires_at=who.expires_at,
            resource=who.resource,
            subject=who.subject,
            claims=present_claims(who),
        )

    @property
    def scopes_supported(self) -> list[str]:
        """The scopes of the connector, while it is enabled."""
        document = self.exchange.protected_resource_metadata(self.resource)
        return [] if document is None else list(json.loads(document)["scopes_supported"])

    def get_routes(self, mcp_path: str | None = None) -> list[Route]:
        """Token, revocation, introspection, JWKS, and the metadata of the server and of this resource."""
        self.set_mcp_path(mcp_path)
        application = Application(self.exchange, resources=[self.resource], authorization_endpoint=True)
        return [Route(path, endpoint=application) for path in application.paths]

    def get_middleware(self) -> list[Middleware]:
        """What FastMCP has for every provider, and before it what takes tokens that are bound to a key."""
        bound = Middleware(BoundTokens, exchange=self.exchange, resource=self.resource)
        return [bound, *super().get_middleware()]

    def mount(self, server: FastMCP[Any]) -> None:
        """Serves the endpoints beside a provider that owns the routes, as `MultiAuth(server=…)` does.

        Their paths, which are those of the configuration, must not be those of the other provider.
        """
        for route in self.get_routes():
            application = route.endpoint

            async def answer(request: Request, application: Any = application) -> Any:
                return application

            methods = ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH"]
            server.custom_route(route.path, methods=methods, include_in_schema=False)(answer)

    def _get_resource_url(self, path: str | None = None) -> AnyHttpUrl | None:
        # What the connector names, wherever FastMCP is mounted.
        return AnyHttpUrl(self.resource)
