"""The doors of the MCP Python SDK (`mcp` 2.x): verify tokens, and serve the endpoints.

    server = MCPServer(
        "chat",
        token_verifier=idjag.mcp.TokenVerifier(exchange, resource="https://mcp.chat.example/mcp"),
        auth=AuthSettings(
            issuer_url="https://mcp.chat.example",
            resource_server_url="https://mcp.chat.example/mcp",
            validate_token_resource=False,          # the verifier does, to the byte
        ),
    )
    app = server.streamable_http_app()
    app.router.routes[:0] = idjag.mcp.routes(exchange, resources=["https://mcp.chat.example/mcp"])

The routes are the first door. The SDK's own token handler asks for `client_id` in the form and for a stored secret, so
that clients with Basic alone, with `private_key_jwt` or with a certificate never reach a provider; it keeps one of
several parameters of a name, and knows neither `access_denied` nor the resource of an answer. Who needs it all the same
takes `IdentityAssertionMixin` or `AuthorizationServer`; an assertion that is bound to a key is refused there, because
no proof comes with it. Tokens that are bound (DPoP, certificates) need one line more:

    app = idjag.bound.BoundTokens(app, exchange, resource="https://mcp.chat.example/mcp")
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NoReturn, cast

from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    AuthorizeError,
    IdentityAssertionParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    RegistrationError,
    TokenError,
    TokenErrorCode,
)
from mcp.shared.auth import JWT_BEARER_GRANT_TYPE, OAuthClientInformationFull, OAuthToken
from starlette.exceptions import HTTPException
from starlette.routing import Route

import idjag
from idjag.asgi import Application
from idjag.bound import verified

__all__ = [
    "AuthorizationServer",
    "IdentityAssertionMixin",
    "TokenVerifier",
    "access_token",
    "principal_issuer",
    "routes",
]

_NOT_HERE = "only ID-JAGs are exchanged here"


def principal_issuer(who: idjag.VerifiedToken) -> str:
    """Who vouches for the person, in one text: the IdP, and behind `#` its tenant where it has several.

    The SDK owns sessions by client, `claims["iss"]` and subject. The `iss` of our tokens is our own, the same for
    everybody; two customers who both have a "1001" would share sessions. An issuer identifier has no fragment (RFC 8414
    section 2), so no two pairs make the same text.
    """
    return who.idp if who.tenant is None else f"{who.idp}#{who.tenant}"


def access_token(token: str, who: idjag.VerifiedToken) -> AccessToken:
    """What the SDK wants to know of a verified token. Scopes and groups are those of now, not of the time of issue."""
    return AccessToken(
        token=token,
        client_id=who.client_id,
        scopes=who.scopes,
        expires_at=who.expires_at,
        resource=who.resource,
        subject=who.subject,
        claims=present_claims(who),
    )


def present_claims(who: idjag.VerifiedToken) -> dict[str, object]:
    """The claims of a token, with what holds today."""
    return who.claims | {
        "iss": principal_issuer(who),
        "scope": " ".join(who.scopes),
        "groups": who.groups,
    }


class TokenVerifier:
    """The SDK's `TokenVerifier`: asked for each request, and answers as the policy of that moment says.

    Args:
        exchange: The engine.
        resource: The identifier of this MCP server, as its connector names it. Tokens for others are not valid here.
    """

    def __init__(self, exchange: idjag.Exchange, *, resource: str) -> None:
        self.exchange = exchange
        self.resource = resource

    async def verify_token(self, token: str) -> AccessToken | None:
        """Who presents the token, or `None`. One that is bound to a key needs `idjag.bound` in front of the server."""
        who = verified(self.exchange, token, resource=self.resource)
        return None if who is None else access_token(token, who)


def routes(exchange: idjag.Exchange, *, resources: Iterable[str] = ()) -> list[Route]:
    """Starlette routes of token, revocation, introspection, JWKS, and the metadata of the server and of `resources`."""
    application = Application(exchange, resources=resources, authorization_endpoint=True)
    return [Route(path, endpoint=application) for path in application.paths]


def _token_error(refusal: idjag.ExchangeDenied) -> TokenError:
    """The refusal in the words that the SDK has: `access_denied` is none of them."""
    error = "invalid_grant" if refusal.error == "access_denied" else refusal.error
    return TokenError(cast("TokenErrorCode", error), refusal.error_description)


class IdentityAssertionMixin:
    """`exchange_identity_assertion` for a provider that you have: name this class before it among the bases.

    The client was authenticated by the SDK. It must also stand among the clients of the configuration.
    """

    idjag_exchange: idjag.Exchange
    """The engine. Set it in your constructor."""

    async def exchange_identity_assertion(
        self, client: OAuthClientInformationFull, params: IdentityAssertionParams
    ) -> OAuthToken:
        """Exchanges an ID-JAG (SEP-990, the second leg).

        Raises:
            TokenError: The answer is no.
            HTTPException: There is no answer now: 503, which the SDK's errors cannot say.
        """
        answer = await self._idjag_answer(client, params)
        # Not within a `try` or a `with`: the SDK's error is a frozen dataclass, which some of them break upon.
        if isinstance(answer, idjag.ExchangeDenied):
            raise _token_error(answer)
        if isinstance(answer, idjag.Unavailable):
            raise HTTPException(503, answer.error_description, {"Retry-After": str(answer.retry_after)})
        return OAuthToken(
            access_token=answer.access_token, expires_in=answer.expires_in, scope=" ".join(answer.scopes)
        )

    async def _idjag_answer(
        self, client: OAuthClientInformationFull, params: IdentityAssertionParams
    ) -> idjag.IssuedToken | idjag.ExchangeDenied | idjag.Unavailable:
        try:
            return await self.idjag_exchange.exchange_async(
                params.assertion,
                client_id=client.client_id or "",
                resource=params.resource,
                scopes=params.scopes,
            )
        except (idjag.ExchangeDenied, idjag.Unavailable) as refusal:
            return refusal


class AuthorizationServer(
    IdentityAssertionMixin,
    OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken],
):
    """A finished provider for the SDK's own handlers that exchanges ID-JAGs and does nothing else.

    No code, no refresh token, no registration: the next assertion is the IdP's to refuse.

    Args:
        exchange: The engine.
        resource: The identifier of this MCP server.
        secrets: The secret of each client, in clear as the SDK compares it. The configuration knows digests only.
        method: How these clients authenticate.
    """

    def __init__(
        self,
        exchange: idjag.Exchange,
        *,
        resource: str,
        secrets: Mapping[str, str],
        method: Literal["client_secret_post", "client_secret_basic"] = "client_secret_post",
    ) -> None:
        self.idjag_exchange = exchange
        self._verifier = TokenVerifier(exchange, resource=resource)
        self._clients = {
            client_id: OAuthClientInformationFull(
                client_id=client_id,
                client_secret=secret,
                redirect_uris=None,
                grant_types=[JWT_BEARER_GRANT_TYPE],
                token_endpoint_auth_method=method,
            )
            for client_id, secret in secrets.items()
        }

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        """The client, if it is one of those with a secret."""
        return self._clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> NoReturn:
        """Refuses: clients are written down by whoever answers for access."""
        raise RegistrationError("invalid_client_metadata", "clients are not registered here")

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> NoReturn:
        """Refuses: nobody is asked for consent."""
        raise AuthorizeError("unauthorized_client", _NOT_HERE)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        """None was issued."""
        return None

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> NoReturn:
        """Refuses."""
        raise TokenError("unsupported_grant_type", _NOT_HERE)

    async def load_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: str
    ) -> RefreshToken | None:
        """None was issued."""
        return None

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> NoReturn:
        """Refuses."""
        raise TokenError("unsupported_grant_type", _NOT_HERE)

    async def load_access_token(self, token: str) -> AccessToken | None:
        """Who presents the token, or `None`."""
        return await self._verifier.verify_token(token)

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        """Revokes an access token that `load_access_token` gave."""
        who = self.idjag_exchange.verify(token.token, resource=self._verifier.resource)
        if who is not None:
            self.idjag_exchange.revoke(idjag.Revocation.token(who.jti, expires_at=who.expires_at))
