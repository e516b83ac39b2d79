"""An MCP server with FastMCP: `python server_fastmcp.py idjag.toml https://mcp.chat.example/mcp`."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import urlsplit

from fastmcp import FastMCP
from fastmcp.server.dependencies import get_access_token

import idjag
from idjag.fastmcp import IdJagAuth


def server(exchange: idjag.Exchange, resource: str) -> FastMCP[Any]:
    """The server of `resource`; the endpoints of `exchange` come with its auth provider."""
    mcp: FastMCP[Any] = FastMCP("chat", auth=IdJagAuth(exchange, resource=resource))

    @mcp.tool
    def whoami() -> str:
        """Who is asking, and what they may do."""
        token = get_access_token()
        assert token is not None, "nobody gets here without one"
        return f"{token.subject} of {token.claims['idp']}, in {token.claims['groups']}, may {token.scopes}"

    return mcp


if __name__ == "__main__":
    config, resource = sys.argv[1:]
    url = urlsplit(resource)
    server(idjag.Exchange(config), resource).run("http", host="127.0.0.1", port=url.port or 8000)
