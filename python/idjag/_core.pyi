"""The native half of the package. Import `idjag`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Final, Literal, Protocol, TypedDict, final

from typing_extensions import disjoint_base

from idjag._errors import ExchangeDenied, Unavailable

__all__ = [
    "VERSION",
    "Challenge",
    "Exchange",
    "Explanation",
    "IdentityProvider",
    "IssuedToken",
    "Request",
    "Revocation",
    "TokenResponse",
    "VerifiedToken",
    "_PendingResponse",
    "_PendingToken",
    "_Watch",
    "_forked",
]

VERSION: Final[str]

class _ReplayStats(TypedDict):
    entries: int
    bytes: int
    max_bytes: int

class _KeysState(TypedDict):
    kind: Literal["idp", "client"]
    owner: str
    uri: str | None
    state: Literal["fresh", "stale", "absent"]
    age_s: int | None
    source: Literal["network", "cache"]
    next_s: int
    fetches: int
    failures: int
    last_error: str | None

class _Stats(TypedDict):
    granted: int
    refused: int
    limited: int
    people: int
    policy_digest: str
    generation: int
    replay: _ReplayStats
    keys: list[_KeysState]

@final
class Request:
    """An ID-JAG and the client that presents it, for `Exchange.exchange_many`.

    Args:
        assertion: The ID-JAG.
        client_id: The client, authenticated by the caller.
        resource: What it asks for a token for; one, several, or not asked.
        scopes: The scopes that it asks for; `None`, none and `[""]` are not asked.
        authorization_details: What it asks for of the assertion's (RFC 9396), as such or as JSON text.
    """

    def __new__(
        cls,
        assertion: str,
        *,
        client_id: str,
        resource: str | Iterable[str] | None = None,
        scopes: Iterable[str] | None = None,
        authorization_details: str | Sequence[Mapping[str, Any]] | None = None,
    ) -> Request: ...
    @property
    def client_id(self) -> str:
        """The client that asks."""

@final
class IssuedToken:
    """An access token that was just issued."""

    @property
    def access_token(self) -> str:
        """The token. A secret."""
    @property
    def token_type(self) -> str:
        """`Bearer`, or `DPoP` where it is bound to a key."""
    @property
    def expires_in(self) -> int:
        """Seconds until it expires."""
    @property
    def scopes(self) -> list[str]:
        """What was granted."""
    @property
    def resource(self) -> str:
        """The one resource that it is for."""
    @property
    def authorization_details(self) -> list[dict[str, Any]] | None:
        """What was granted of the assertion's, where it has some (RFC 9396 section 7)."""

@final
class VerifiedToken:
    """Who presents a token that is valid now, and what they may do.

    A person is the triple of `idp`, `tenant` and `subject`, never `subject` alone: two companies both have a "1001".
    """

    @property
    def subject(self) -> str:
        """`sub`, as the IdP wrote it."""
    @property
    def idp(self) -> str:
        """The issuer identifier of the IdP that vouched for the person."""
    @property
    def tenant(self) -> str | None:
        """The tenant at that IdP, where it has several."""
    @property
    def client_id(self) -> str:
        """The client that the token was issued to."""
    @property
    def scopes(self) -> list[str]:
        """What the token says and a grant still gives."""
    @property
    def groups(self) -> list[str]:
        """The groups that a grant names today."""
    @property
    def resource(self) -> str:
        """What the token is for."""
    @property
    def expires_at(self) -> int:
        """When it ends, in seconds since 1970."""
    @property
    def issued_at(self) -> int:
        """When it was issued, in seconds since 1970."""
    @property
    def jti(self) -> str:
        """The name of the token."""
    @property
    def act(self) -> dict[str, Any] | None:
        """Who acts for the person, nested as the IdP wrote it."""
    @property
    def cnf(self) -> dict[str, Any] | None:
        """The key or certificate that the token is bound to (RFC 7800)."""
    @property
    def authorization_details(self) -> list[dict[str, Any]] | None:
        """What the token carries of them (RFC 9396)."""
    @property
    def claims(self) -> dict[str, Any]:
        """All claims, as the token was minted."""

@final
class Challenge:
    """What a resource answers a request whose token is missing or not valid."""

    @property
    def status(self) -> int:
        """The status code."""
    @property
    def headers(self) -> list[tuple[str, str]]:
        """`WWW-Authenticate`, and `DPoP-Nonce` where a proof needs one (RFC 9449 sections 7.1 and 9)."""
    @property
    def slug(self) -> str | None:
        """Why: for logs, and nowhere in the headers. `None` where no token came."""

@final
class TokenResponse:
    """What an endpoint answers."""

    @property
    def status(self) -> int:
        """The status code."""
    @property
    def headers(self) -> list[tuple[str, str]]:
        """Name and value of each header, in order."""
    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The same as ASGI has them: names in lower case, and `content-length`."""
    @property
    def body(self) -> bytes:
        """The body."""
    @property
    def slug(self) -> str | None:
        """Why it is a refusal: for logs, and nowhere in the response."""

@final
class Explanation:
    """What would become of a request, and why: for the operator, never for the client. `str()` of it is the text."""

    @property
    def granted(self) -> bool:
        """Whether a token would be issued."""
    @property
    def slug(self) -> str | None:
        """Why not."""
    @property
    def remedy(self) -> str | None:
        """The smallest change that would lead further."""
    def to_dict(self) -> dict[str, Any]:
        """The whole of it, as `idjag explain --json` prints it."""

@final
class Revocation:
    """What an administrator takes back."""

    @staticmethod
    def token(jti: str, *, expires_at: int) -> Revocation:
        """One access token, remembered until `expires_at`, when it would have ended. It cannot be lifted."""
    @staticmethod
    def person(subject: str, *, issuer: str, tenant: str | None = None) -> Revocation:
        """One person of one tenant of one IdP."""
    @staticmethod
    def client(client_id: str) -> Revocation:
        """One client."""
    @staticmethod
    def connector(id: str) -> Revocation:  # noqa: A002
        """One connector, by its name in the policy."""
    @staticmethod
    def issuer(issuer: str) -> Revocation:
        """One IdP with all its tenants."""

@final
class _PendingToken:
    @property
    def receipt(self) -> int: ...
    def finish(self) -> IssuedToken: ...

@final
class _PendingResponse:
    @property
    def receipt(self) -> int: ...
    def finish(self) -> TokenResponse: ...

@final
class _Watch:
    def fileno(self) -> int: ...
    def settled(self) -> int: ...
    def call(self, receipt: int) -> int | None: ...

class _SingleUse(Protocol):
    def claim(self, keys: list[bytes], expires_at: list[int], /) -> Iterable[bool | None]: ...

@disjoint_base
class Exchange:
    def __new__(
        cls,
        config: str | PathLike[str] | Mapping[str, Any],
        *,
        clock: Callable[[], float] | None = None,
        client_documents: Callable[[str], str | bytes | None] | None = None,
        replay: _SingleUse | None = None,
        record: Callable[[bytes], None] | None = None,
    ) -> Exchange: ...
    def exchange(
        self,
        assertion: str,
        *,
        client_id: str,
        resource: str | Iterable[str] | None = None,
        scopes: Iterable[str] | None = None,
        authorization_details: str | Sequence[Mapping[str, Any]] | None = None,
    ) -> IssuedToken:
        """Exchanges an ID-JAG for an access token.

        Args:
            assertion: The ID-JAG.
            client_id: The client, authenticated by the caller.
            resource: What it asks for a token for; one, several, or not asked.
            scopes: The scopes that it asks for; `None`, none and `[""]` are not asked.
            authorization_details: What it asks for of the assertion's (RFC 9396), as such or as JSON text.

        Raises:
            ExchangeDenied: The answer is no, whatever the strings hold.
            Unavailable: There is no answer now.
            TypeError: An argument is not of its type.
        """
    def exchange_many(self, requests: Iterable[Request]) -> list[IssuedToken | ExchangeDenied | Unavailable]:
        """Exchanges many on all cores, with the answers in the order of the requests. A refusal is an answer.

        Of a `jti` that comes twice the first wins.
        """
    def verify(
        self,
        token: str,
        *,
        resource: str,
        dpop: str | None = None,
        method: str | None = None,
        url: str | None = None,
        client_certificate: bytes | None = None,
    ) -> VerifiedToken | None:
        """Verifies an access token of this server for `resource`, as of now.

        Signature, time, policy, directory, clients and revocations are looked at each time. The first time costs one
        verification of a signature, later less than a microsecond.

        Args:
            token: The access token.
            resource: The resource at which it is presented.
            dpop: The header `DPoP` of the request, where the scheme of `Authorization` is `DPoP`. A token that is bound
                to a key is valid only with a proof by it, and only once with each (RFC 9449).
            method: The method of the request, which the proof is for.
            url: The URL of the request as the client wrote it, which the proof is for.
            client_certificate: The client's certificate in DER, proven in the TLS handshake.

        Returns:
            `None` for whatever is not valid.
        """
    def verify_request(
        self,
        token: str | None,
        *,
        resource: str,
        dpop: str | None = None,
        method: str | None = None,
        url: str | None = None,
        client_certificate: bytes | None = None,
    ) -> VerifiedToken | Challenge:
        """`verify`, with what to answer where the token is not valid, or none came. It takes the same arguments.

        Raises:
            Unavailable: Whether a proof was used before cannot be told now.
        """
    def explain(
        self,
        assertion: str,
        *,
        client_id: str,
        resource: str | Iterable[str] | None = None,
        scopes: Iterable[str] | None = None,
        authorization_details: str | Sequence[Mapping[str, Any]] | None = None,
    ) -> Explanation:
        """Why `exchange` would grant or refuse. Spends nothing and mints nothing."""
    def _answer(
        self,
        endpoint: str,
        body: bytes,
        method: str,
        target: str,
        headers: Iterable[tuple[str | bytes, str | bytes]],
        authorization: str | None,
        dpop: str | None,
        client_certificate: bytes | None,
        peer: str | None,
    ) -> TokenResponse: ...
    def _begin_exchange(
        self,
        assertion: str,
        client_id: str,
        resource: str | Iterable[str] | None,
        scopes: Iterable[str] | None,
        authorization_details: str | Sequence[Mapping[str, Any]] | None,
    ) -> IssuedToken | _PendingToken: ...
    def _begin_answer(
        self,
        body: bytes,
        method: str,
        target: str,
        headers: Iterable[tuple[str | bytes, str | bytes]],
        authorization: str | None,
        dpop: str | None,
        client_certificate: bytes | None,
        peer: str | None,
    ) -> TokenResponse | _PendingResponse: ...
    def _watch(self) -> _Watch: ...
    def metadata(self) -> bytes:
        """The metadata of the authorization server, as JSON (RFC 8414)."""
    def dpop_nonce(self) -> str | None:
        """The nonce for DPoP proofs, where the configuration asks for one: for the header `DPoP-Nonce`."""
    def jwks(self) -> bytes:
        """Our public keys, as a JWK Set (RFC 7517)."""
    def protected_resource_metadata(self, resource: str) -> bytes | None:
        """The metadata of a resource, as JSON (RFC 9728); `None` where no enabled connector serves it."""
    def challenge(
        self, resource: str, *, invalid_token: bool = False, insufficient_scope: str | None = None
    ) -> str:
        """The value of `WWW-Authenticate`: without a token, with an invalid one, or with one of too few scopes."""
    def put_jwks(self, issuer: str, jwks: str | bytes | Mapping[str, Any]) -> None:
        """Replaces the keys of one IdP.

        Raises:
            ConfigError: They cannot be used; those of before still hold.
        """
    def put_directory(self, snapshot: str | bytes | Mapping[str, Any], *, name: str | None = None) -> None:
        """Replaces the directory: a mapping, the same as JSON, or CSV. `name` is what it is called in errors.

        Raises:
            ConfigError: It has a fault; the one of before still holds.
        """
    def put_policy(self, text: str | bytes | Mapping[str, Any], *, name: str | None = None) -> None:
        """Replaces the policy by one in the form of `policy.toml`. `name` is what it is called in errors.

        Raises:
            ConfigError: It has a fault; the one of before still holds.
        """
    def reload(self, config: str | PathLike[str] | Mapping[str, Any]) -> None:
        """Replaces everything that a configuration names but the single-use store.

        Raises:
            ConfigError: It has a fault; the one of before still holds.
        """
    def revoke(self, revocation: Revocation) -> None:
        """Revokes as of now: what was issued until now ends at the next `verify`, and new exchanges are refused."""
    def lift(self, revocation: Revocation) -> None:
        """Lets new exchanges through again. What was revoked stays revoked."""
    @property
    def authorization_endpoint(self) -> str:
        """The URL that the configuration keeps free for an authorization endpoint, of which there is none."""
    @property
    def _may_wait(self) -> bool: ...
    @property
    def _keeps_record(self) -> bool: ...
    @property
    def max_body_bytes(self) -> int:
        """How many bytes the body of a request may have: a server need not read more than one beyond them."""
    def stats(self) -> _Stats:
        """Counters, sizes, and the state of the keys that are fetched."""
    @property
    def warnings(self) -> list[str]:
        """What the configuration allows and still deserves a look."""

@disjoint_base
class IdentityProvider:
    def __new__(
        cls,
        config: str | PathLike[str] | Mapping[str, Any],
        *,
        clock: Callable[[], float] | None = None,
    ) -> IdentityProvider: ...
    def _answer(
        self,
        body: bytes,
        method: str,
        target: str,
        headers: Iterable[tuple[str | bytes, str | bytes]],
        authorization: str | None,
        dpop: str | None,
        client_certificate: bytes | None,
        peer: str | None,
    ) -> TokenResponse: ...
    def id_token(
        self,
        subject: str,
        *,
        client_id: str,
        groups: str | Iterable[str] | None = None,
        email: str | None = None,
        lifetime_s: int = 3600,
    ) -> str:
        """Signs an ID token with our first key, for whoever has signed the person in.

        It is taken where `subject_tokens` has our issuer identifier with `own_keys = true`.
        """
    def metadata(self) -> bytes:
        """The metadata of this authorization server, as JSON (RFC 8414)."""
    def jwks(self) -> bytes:
        """Our public keys, as a JWK Set (RFC 7517)."""
    @property
    def issuer(self) -> str:
        """The issuer identifier, the `iss` of every ID-JAG."""
    @property
    def warnings(self) -> list[str]:
        """What the configuration allows and still deserves a look."""

def _forked() -> None: ...
