"""The class `Exchange`: the native one, with its endpoints and the doors for `await`."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from idjag import _core
from idjag._core import IssuedToken, TokenResponse, _PendingResponse, _PendingToken
from idjag._waiting import Waiting

__all__ = ["Exchange"]

_T = TypeVar("_T")

# More threads than requests wait for keys at once (`fetch/src/request.rs`), so that those who wait for an IdP that
# hangs leave threads for the others. They are started when they are needed.
_THREADS = 320
_starting = threading.Lock()


class Exchange(_core.Exchange):
    """The engine: takes ID-JAGs, mints access tokens, verifies them.

    Shared by any number of threads; it starts none before the first batch, but for one that fetches keys where the
    configuration wants that (`discover`, `jwks_uri`). It belongs to the process that made it:
    after a fork the child makes its own. As long as it lives, no other process makes one over the same file, unless
    `replay.allow_per_process` is true: each would accept the same assertion once.

    Args:
        config: The path of `idjag.toml`, or the same as a mapping. Paths in a file are relative to it, those in a
            mapping to the working directory.
        clock: Gives the time in seconds since 1970; for tests.
        client_documents: Gives the body of what is at an https URL, or `None` where there is nothing: the metadata
            documents of clients whose `client_id` is a URL, and their JWK Sets. It is asked on the thread of the
            request, for origins of `[client_documents]` only, and late. Without it they are fetched as keys are. It has
            to follow no redirect, connect to no private address, bound size and time, and cache. What it raises goes to
            `sys.unraisablehook`, and the client is told to try again.
        replay: Single use by the host, in place of the table in memory. Its `claim(keys, expires_at)` claims keys of
            16 bytes until those times, in seconds since 1970, and gives an answer for each, in order: `True` where
            nobody held the key and this claim does now, `False` where it was used before, `None` where that cannot be
            told. Each claim is atomic for whoever shares the store; of one key twice in a call the first wins.
            Whatever else it gives or raises is no answer: the client is told to try again, and nothing is granted.
            May have `seen(key)`, the same without claiming, and `remembers_since()`: the seconds since 1970 from
            which on it knows what was used, `None` for the start of this `Exchange`. The configuration must name no
            other store; revocations are not told to others.
        record: The record by the host, in place of the one on disk (`audit = "off"`). It is given each
            line, JSON as bytes without an end of line, on the thread of the request, and returns `None` when that is
            as durable as it has to be. Where it raises, nothing is issued and the client is told to try again.

    Raises:
        ConfigError: The configuration has a fault, or another process runs over it; the text names file, line and key.
    """

    __slots__ = ("__weakref__", "_pool", "_waiting")

    _pool: ThreadPoolExecutor
    _waiting: dict[asyncio.AbstractEventLoop, Waiting]

    def token_endpoint(
        self,
        body: bytes,
        method: str = "POST",
        target: str = "/token",
        headers: Iterable[tuple[str | bytes, str | bytes]] = (),
        authorization: str | None = None,
        dpop: str | None = None,
        client_certificate: bytes | None = None,
        peer: str | None = None,
    ) -> TokenResponse:
        """Answers a request to the token endpoint (RFC 6749 section 3.2): authenticates the client, exchanges.

        Never fails on what the request says: what cannot be answered otherwise is an OAuth error in the response.

        Args:
            body: The body. One that was cut off a byte after `limits.max_body_bytes` is refused as the whole would be.
            method: The method of the request.
            target: Path, and query if there is one.
            headers: Pairs of name and value, in order, one that came twice standing twice. Without any, the body is
                taken as the form that it has to be.
            authorization: A further header `Authorization`, where the framework keeps it apart.
            dpop: A further header `DPoP`, likewise.
            client_certificate: The client's certificate in DER, proven in the TLS handshake.
            peer: The address of the client, for the limits on how often one may fail.
        """
        return self._answer(
            "token", body, method, target, headers, authorization, dpop, client_certificate, peer
        )

    def revocation_endpoint(
        self,
        body: bytes,
        method: str = "POST",
        target: str = "/revoke",
        headers: Iterable[tuple[str | bytes, str | bytes]] = (),
        authorization: str | None = None,
        client_certificate: bytes | None = None,
        peer: str | None = None,
    ) -> TokenResponse:
        """Answers a request to the revocation endpoint (RFC 7009). The arguments are those of `token_endpoint`."""
        return self._answer(
            "revoke", body, method, target, headers, authorization, None, client_certificate, peer
        )

    def introspection_endpoint(
        self,
        body: bytes,
        method: str = "POST",
        target: str = "/introspect",
        headers: Iterable[tuple[str | bytes, str | bytes]] = (),
        authorization: str | None = None,
        client_certificate: bytes | None = None,
        peer: str | None = None,
    ) -> TokenResponse:
        """Answers a request to the introspection endpoint (RFC 7662). The arguments are those of `token_endpoint`."""
        return self._answer(
            "introspect", body, method, target, headers, authorization, None, client_certificate, peer
        )

    async def exchange_async(
        self,
        assertion: str,
        *,
        client_id: str,
        resource: str | Iterable[str] | None = None,
        scopes: Iterable[str] | None = None,
        authorization_details: str | Sequence[Mapping[str, Any]] | None = None,
    ) -> IssuedToken:
        """`exchange`, complete when the record of it is durable: the loop does other things until then.

        Who stops awaiting it has spent the assertion; it is on record. Where keys are fetched, or the single-use store
        is Redis, the exchange itself is on another thread, of this object's own.
        """
        arguments = (assertion, client_id, resource, scopes, authorization_details)
        begin = self._begin_exchange
        answer = await self._aside(begin, *arguments) if self._may_wait else begin(*arguments)
        if isinstance(answer, _PendingToken):
            await self._durable(answer.receipt)
            return answer.finish()
        return answer

    async def token_endpoint_async(
        self,
        body: bytes,
        method: str = "POST",
        target: str = "/token",
        headers: Iterable[tuple[str | bytes, str | bytes]] = (),
        authorization: str | None = None,
        dpop: str | None = None,
        client_certificate: bytes | None = None,
        peer: str | None = None,
    ) -> TokenResponse:
        """`token_endpoint`, complete when the record of it is durable: the loop does other things until then.

        Where keys or clients' documents are fetched, or the single-use store is Redis, the exchange itself is on
        another thread.
        """
        arguments = (body, method, target, headers, authorization, dpop, client_certificate, peer)
        begin = self._begin_answer
        answer = await self._aside(begin, *arguments) if self._may_wait else begin(*arguments)
        return await self._finished(answer) if isinstance(answer, _PendingResponse) else answer

    async def _finished(self, answer: _PendingResponse) -> TokenResponse:
        """What was begun, once the record of it is durable."""
        await self._durable(answer.receipt)
        return answer.finish()

    async def _aside(self, call: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
        """`call` on a thread of this exchange's own: `asyncio.to_thread` has few, which everybody shares."""
        try:
            pool = self._pool
        except AttributeError:
            with _starting:
                pool = getattr(self, "_pool", None) or ThreadPoolExecutor(_THREADS, "idjag-exchange")
                self._pool = pool
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(pool, functools.partial(context.run, call, *args, **kwargs))

    def _durable(self, receipt: int) -> asyncio.Future[None]:
        """Done when what `receipt` stands for can be finished without waiting."""
        loop = asyncio.get_running_loop()
        try:
            waiting = self._waiting[loop]
        except (AttributeError, KeyError):
            # Of loops that ended nobody waits any more.
            others = {loop: it for loop, it in getattr(self, "_waiting", {}).items() if not loop.is_closed()}
            waiting = Waiting(self._watch(), loop)
            self._waiting = others | {loop: waiting}
        return waiting.wait(receipt)
