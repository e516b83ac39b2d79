"""A stand-in for the company's IdP: an ID token goes in, an ID-JAG comes out (RFC 8693).

It signs in whoever it is told to.
"""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import idjag

ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"

# A client as both sides know it, and the one target that it may ask for.
CONFIG = """\
issuer = "{idp}"
tokens.keys = "ephemeral"
[[clients]]
id = "agent"
auth = "client_secret_post"
secret_sha256 = "{digest}"
[[subject_tokens]]
issuer = "{idp}"
own_keys = true
[[targets]]
audience = "{origin}"
resource = "{origin}/mcp"
scopes = ["chat.read", "chat.history"]
everyone = true
clients = [{{ id = "agent", client_id = "{client}" }}]
claims = ["groups"]
"""


def application(idp: idjag.IdentityProvider) -> Starlette:
    """Its token endpoint and its keys."""

    async def token(request: Request) -> Response:
        headers = [(name, value) for name, value in request.headers.raw]
        answer = idp.token_endpoint(await request.body(), method=request.method, headers=headers)
        response = Response(answer.body, answer.status)
        response.raw_headers = [(name.encode(), value.encode()) for name, value in answer.headers]
        return response

    async def jwks(_: Request) -> Response:
        return Response(idp.jwks(), media_type="application/json")

    return Starlette(routes=[Route("/token", token, methods=["POST"]), Route("/jwks", jwks)])


def asking(id_token: str, secret: str, audience: str, resource: str) -> dict[str, Any]:
    """The form by which a client asks for an ID-JAG."""
    return {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": ID_JAG,
        "subject_token": id_token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "audience": audience,
        "resource": resource,
        "client_id": "agent",
        "client_secret": secret,
    }
