"""An MCP server with the official SDK: `python server_sdk.py idjag.toml https://mcp.chat.example/mcp`."""

from __future__ import annotations

import json
import sys
from urllib.parse import urlsplit

import uvicorn
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.settings import AuthSettings
from starlette.applications import Starlette

import idjag
import idjag.mcp


def application(exchange: idjag.Exchange, resource: str) -> Starlette:
    """The server of `resource`, with the endpoints of `exchange` in front."""
    issuer = json.loads(exchange.metadata())["issuer"]
    server = MCPServer(
        "chat",
        token_verifier=idjag.mcp.TokenVerifier(exchange, resource=resource),
        auth=AuthSettings.model_validate(
            {"issuer_url": issuer, "resource_server_url": resource, "validate_token_resource": False}
        ),
        log_level="WARNING",
    )

    @server.tool()
    def whoami() -> str:
        """Who is asking, and what they may do."""
        token = get_access_token()
        assert token is not None, "nobody gets here without one"
        claims = token.claims or {}
        return f"{token.subject} of {claims['idp']}, in {claims['groups']}, may {token.scopes}"

    app = server.streamable_http_app()
    app.router.routes[:0] = idjag.mcp.routes(exchange, resources=[resource])
    return app


if __name__ == "__main__":
    config, resource = sys.argv[1:]
    url = urlsplit(resource)
    uvicorn.run(application(idjag.Exchange(config), resource), host="127.0.0.1", port=url.port or 8000)
