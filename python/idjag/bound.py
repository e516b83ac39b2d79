"""Bound tokens for MCP servers whose framework knows only bearer tokens: DPoP (RFC 9449), certificates (RFC 8705).

    app = idjag.bound.BoundTokens(app, exchange, resource="https://mcp.chat.example/mcp")

An ASGI application in front of the server's own. The verifiers of `idjag.mcp` and `idjag.fastmcp` get a token and
nothing else of the request, so that on their own they refuse a token that is bound to a key or a certificate. Behind
this they take it: the proof is checked here, and what they are asked next is whether the token is what was proven.
`idjag.fastmcp.IdJagAuth` puts it there itself; who has one inside `MultiAuth`, or uses the SDK, does as above.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any
from urllib.parse import quote, urlsplit

from idjag._core import Challenge, VerifiedToken
from idjag._errors import Unavailable
from idjag._exchange import Exchange
from idjag.asgi import ASGIApp, Message, Receive, Scope, Send, certificate, send_whole

__all__ = ["BoundTokens", "verified"]


class _Proven:
    """A token whose proof the request had, until the request is over."""

    def __init__(self, exchange: Exchange, resource: str, token: str, who: VerifiedToken) -> None:
        self.subject = (exchange, resource, token)
        self.who: VerifiedToken | None = who


_PROVEN: ContextVar[_Proven | None] = ContextVar("idjag_proven", default=None)


def verified(exchange: Exchange, token: str, *, resource: str) -> VerifiedToken | None:
    """Who presents the token: with the proof of the request that this runs in, where `BoundTokens` checked one."""
    proven = _PROVEN.get()
    if proven is not None and proven.who is not None and proven.subject == (exchange, resource, token):
        return proven.who
    return exchange.verify(token, resource=resource)


class BoundTokens:
    """Checks proofs of possession in front of an application that knows only `Authorization: Bearer`.

    A request whose scheme is `DPoP` reaches the application only with a good proof, as one with a bearer token. A token
    of another issuer is none of ours: with `Bearer` it goes through as it came, with `DPoP` it is refused.

    Args:
        app: The application.
        exchange: The engine.
        resource: The identifier of this MCP server, as its connector names it.
        origin: Scheme and host as clients write them, where those of `resource` are others. Proofs are for these and
            the path that arrives here: who sits behind a proxy that changes paths gives proofs no chance.
    """

    def __init__(self, app: ASGIApp, exchange: Exchange, *, resource: str, origin: str | None = None) -> None:
        self._app = app
        self._exchange = exchange
        self._resource = resource
        if origin is None:
            parts = urlsplit(resource)
            origin = f"{parts.scheme}://{parts.netloc}"
        self._origin = origin.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        credentials = [value for name, value in headers if name == b"authorization"]
        if not credentials:
            await self._app(scope, receive, self._told(send))
            return
        scheme, _, token = credentials[0].decode("latin-1").partition(" ")
        with_proof = scheme.lower() == "dpop"
        if len(credentials) > 1 or not (with_proof or scheme.lower() == "bearer"):
            # Two are none that could be proven; what the application makes of another scheme is its affair.
            scope = dict(scope, headers=headers if len(credentials) == 1 else _without(headers))
            await self._app(scope, receive, send)
            return
        try:
            answer = self._answer(scope, headers, token, with_proof)
        except Unavailable as refusal:
            await send_whole(503, [(b"retry-after", str(refusal.retry_after).encode())], b"", send)
            return
        if isinstance(answer, VerifiedToken):
            proven = _Proven(self._exchange, self._resource, token, answer)
            before = _PROVEN.set(proven)
            try:
                bearer = (b"authorization", b"Bearer " + token.encode("latin-1"))
                await self._app(dict(scope, headers=[*_without(headers), bearer]), receive, send)
            finally:
                # What the application started meanwhile has a copy of the context, and outlives the request.
                proven.who = None
                _PROVEN.reset(before)
        elif with_proof or _is_dpop(answer):
            await send_whole(answer.status, _encoded(answer), b"", send)
        else:
            await self._app(scope, receive, send)

    def _answer(
        self, scope: Scope, headers: list[tuple[bytes, bytes]], token: str, with_proof: bool
    ) -> VerifiedToken | Challenge:
        proofs = [value.decode("latin-1") for name, value in headers if name == b"dpop"]
        path = scope.get("raw_path") or quote(scope["path"]).encode()
        return self._exchange.verify_request(
            token,
            resource=self._resource,
            # Several are as bad as none (RFC 9449 section 4.3).
            dpop=(proofs[0] if len(proofs) == 1 else "") if with_proof else None,
            method=scope["method"],
            url=self._origin + path.decode("latin-1"),
            client_certificate=certificate(scope),
        )

    def _told(self, send: Send) -> Send:
        """`send`, with our challenge in place of the framework's where a connector wants proofs."""

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401:
                challenge = self._exchange.verify_request(None, resource=self._resource)
                given: list[Any] = list(message["headers"])
                theirs = [value for name, value in given if name.lower() == b"www-authenticate"]
                if (
                    isinstance(challenge, Challenge)
                    and _is_dpop(challenge)
                    and theirs
                    and all(value.startswith(b"Bearer") for value in theirs)
                ):
                    rest = [header for header in given if header[0].lower() != b"www-authenticate"]
                    message = dict(message, headers=[*rest, *_encoded(challenge)])
            await send(message)

        return told


def _is_dpop(challenge: Challenge) -> bool:
    return any(value.startswith("DPoP ") for _, value in challenge.headers)


def _encoded(challenge: Challenge) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in challenge.headers]


def _without(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [header for header in headers if header[0] != b"authorization"]
