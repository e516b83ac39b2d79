"""The endpoints as a pure ASGI application, for any framework.

    app = idjag.asgi.Application(exchange)             # alone
    app = idjag.asgi.Application(exchange, app)        # in front of another, which gets every other path

It serves what the metadata names: token (RFC 6749), revocation (RFC 7009), introspection (RFC 7662), JWKS, the
metadata itself at its well-known path (RFC 8414 section 3.1), and the metadata of resources (RFC 9728 section 3.1). It
does nothing that the engine does not: it reads bytes, hands them over, and sends what it gets.
"""

from __future__ import annotations

import functools
import json
import ssl
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from idjag._core import TokenResponse
from idjag._exchange import Exchange

__all__ = ["Application"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]
# Body, method, target, headers, certificate and peer of a request.
Endpoint = Callable[
    [bytes, str, str, Headers, "bytes | None", "str | None"], "TokenResponse | Awaitable[TokenResponse]"
]

METADATA = "/.well-known/oauth-authorization-server"
RESOURCE = "/.well-known/oauth-protected-resource"

_JSON = (b"content-type", b"application/json")
# Whoever may know where the server is may read what it says of itself: also a page of another origin.
_PUBLIC = (b"access-control-allow-origin", b"*")
_UNAUTHORIZED = b'{"error":"unauthorized_client","error_description":"only ID-JAGs are exchanged here"}'


class Application:
    """The endpoints of one `Exchange`.

    The paths are those of the configuration at the time when this is made.

    Args:
        exchange: The engine.
        otherwise: The application that gets every other path; without one they are not found.
        resources: The resources whose metadata is served. Without any, a request for such a document is answered for
            the host that it names, if a connector serves a resource there.
        authorization_endpoint: Whether the metadata names an authorization endpoint, which answers everybody with
            `unauthorized_client`. There is nothing to authorize here; but the clients of the MCP SDKs cannot read
            metadata without one.
    """

    def __init__(
        self,
        exchange: Exchange,
        otherwise: ASGIApp | None = None,
        *,
        resources: Iterable[str] = (),
        authorization_endpoint: bool = False,
    ) -> None:
        self._exchange = exchange
        self._otherwise = otherwise
        metadata: dict[str, Any] = json.loads(exchange.metadata())
        self._endpoints: dict[str, Endpoint] = {
            _path(metadata["token_endpoint"]): self._token,
            _path(metadata["revocation_endpoint"]): self._aside(exchange.revocation_endpoint),
            _path(metadata["introspection_endpoint"]): self._aside(exchange.introspection_endpoint),
        }
        self._documents: dict[str, Callable[[], bytes | None]] = {
            _path(metadata["jwks_uri"]): exchange.jwks,
            METADATA + _path(metadata["issuer"]).rstrip("/"): exchange.metadata,
        }
        self._authorize: str | None = None
        if authorization_endpoint:
            self._authorize = _path(exchange.authorization_endpoint)
            self._documents[METADATA + _path(metadata["issuer"]).rstrip("/")] = self._metadata
        self._resources = {}
        for resource in resources:
            self._resources[resource_metadata_path(exchange, resource)] = resource

    @property
    def paths(self) -> list[str]:
        """The paths that are served, but for those of resources that were not named."""
        authorize = [] if self._authorize is None else [self._authorize]
        return [*self._endpoints, *self._documents, *self._resources, *authorize]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            if (endpoint := self._endpoints.get(path)) is not None:
                await self._answer(endpoint, scope, receive, send)
                return
            if (document := self._documents.get(path)) is not None:
                await _serve(document(), scope, send)
                return
            if path == self._authorize:
                await send_whole(400, [_JSON, (b"cache-control", b"no-store")], _UNAUTHORIZED, send)
                return
            if path in self._resources or (not self._resources and path.startswith(RESOURCE)):
                await _serve(self._resource(scope), scope, send)
                return
        if self._otherwise is not None:
            await self._otherwise(scope, receive, send)
        elif scope["type"] == "http":
            await _serve(None, scope, send)
        elif scope["type"] == "lifespan":
            await _live(receive, send)
        else:
            raise RuntimeError(f"`{scope['type']}` is not served here")

    async def _answer(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body: bytes = message.get("body", b"")
        if message.get("more_body", False):
            whole = await self._rest(body, receive)
            if whole is None:
                return
            body = whole
        query = scope.get("query_string", b"")
        client = scope.get("client")
        response = endpoint(
            body,
            scope["method"],
            f"{scope['path']}?{query.decode('latin-1')}" if query else scope["path"],
            # A request without headers at all is not one without a request.
            scope["headers"] or [(b"host", b"")],
            certificate(scope),
            client[0] if client else None,
        )
        if not isinstance(response, TokenResponse):
            response = await response
        headers = response.raw_headers
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    def _token(
        self,
        body: bytes,
        method: str,
        target: str,
        headers: Headers,
        certificate: bytes | None,
        peer: str | None,
    ) -> TokenResponse | Awaitable[TokenResponse]:
        """The token endpoint: at once where there is nothing to wait for, without a coroutine of its own."""
        exchange = self._exchange
        arguments = (body, method, target, headers, None, None, certificate, peer)
        if exchange._may_wait:
            return exchange.token_endpoint_async(*arguments)
        answer = exchange._begin_answer(*arguments)
        return answer if isinstance(answer, TokenResponse) else exchange._finished(answer)

    def _aside(self, endpoint: Callable[..., TokenResponse]) -> Endpoint:
        """An endpoint that is seldom asked: on another thread where it may wait for another host, or for a disk."""

        def answer(
            body: bytes,
            method: str,
            target: str,
            headers: Headers,
            certificate: bytes | None,
            peer: str | None,
        ) -> TokenResponse | Awaitable[TokenResponse]:
            whole = functools.partial(
                endpoint, body, method, target, headers, client_certificate=certificate, peer=peer
            )
            if self._exchange._may_wait or self._exchange._keeps_record:
                return self._exchange._aside(whole)
            return whole()

        return answer

    async def _rest(self, begun: bytes, receive: Receive) -> bytes | None:
        """The whole body, cut off one byte after the limit; `None` where the client went away."""
        body, limit, more = bytearray(begun), self._exchange.max_body_bytes, True
        while more and len(body) <= limit:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return bytes(body[: limit + 1])

    def _metadata(self) -> bytes:
        metadata = json.loads(self._exchange.metadata())
        metadata["authorization_endpoint"] = self._exchange.authorization_endpoint
        return json.dumps(metadata, separators=(",", ":")).encode()

    def _resource(self, scope: Scope) -> bytes | None:
        path = scope["path"]
        if (resource := self._resources.get(path)) is not None:
            return self._exchange.protected_resource_metadata(resource)
        rest = path.removeprefix(RESOURCE)
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        # What a client claims is only a name to look up: what is not written down is not found. TLS may end before us.
        for scheme in ("https", scope.get("scheme", "http")):
            for tail in (rest, "/") if rest in ("", "/") else (rest,):
                document = self._exchange.protected_resource_metadata(f"{scheme}://{host}{tail}")
                if document is not None:
                    return document
        return None


def resource_metadata_path(exchange: Exchange, resource: str) -> str:
    """The path at which the metadata of `resource` is looked for: what the engine's challenge names."""
    url = exchange.challenge(resource).split('resource_metadata="', 1)[1].split('"', 1)[0]
    return _path(url)


def _path(url: str) -> str:
    return urlsplit(url).path


def certificate(scope: Scope) -> bytes | None:
    """The client's certificate, where the server has the ASGI extension for TLS."""
    tls = (scope.get("extensions") or {}).get("tls")
    if not tls:
        return None
    chain = list(tls.get("client_cert_chain") or ())
    if not chain or tls.get("client_cert_error"):
        return None
    try:
        return ssl.PEM_cert_to_DER_cert(chain[0])
    except ValueError:
        return None


async def _serve(document: bytes | None, scope: Scope, send: Send) -> None:
    """A public document, or that there is none."""
    if document is None:
        await send_whole(404, [(b"content-type", b"text/plain")], b"not found", send)
    elif scope["method"] in ("GET", "HEAD"):
        await send_whole(200, [_JSON, _PUBLIC], document, send, head=scope["method"] == "HEAD")
    else:
        await send_whole(405, [(b"allow", b"GET, HEAD"), _PUBLIC], b"", send)


async def send_whole(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes, send: Send, *, head: bool = False
) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})


async def _live(receive: Receive, send: Send) -> None:
    """Starting and stopping, of which there is nothing to do."""
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
