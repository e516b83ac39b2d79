"""The class `IdentityProvider`: the native one, with its endpoint."""

from __future__ import annotations

from collections.abc import Iterable

from idjag import _core
from idjag._core import TokenResponse

__all__ = ["IdentityProvider"]


class IdentityProvider(_core.IdentityProvider):
    """The other party: takes an ID token and the client's proof, and issues an ID-JAG (RFC 8693).

    For tests, for demonstrations, and as the token endpoint of an IdP of one's own. It signs nobody in. Shared by any
    number of threads; it belongs to the process that made it.

    Args:
        config: The path of `idp.toml`, or the same as a mapping.
        clock: Gives the time in seconds since 1970; for tests.

    Raises:
        ConfigError: The configuration has a fault; the text names file, line and key.
    """

    __slots__ = ("__weakref__",)

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
        """Answers a token exchange. The arguments are those of `Exchange.token_endpoint`."""
        return self._answer(body, method, target, headers, authorization, dpop, client_certificate, peer)
