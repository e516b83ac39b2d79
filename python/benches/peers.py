"""What people use today: the MCP SDK's hook as one writes it over PyJWT, and FastMCP's `OAuthProxy`."""

from __future__ import annotations

import secrets
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from fastmcp import FastMCP
from fastmcp.server.auth import OAuthProxy
from fastmcp.server.auth.identity_assertion import IdentityAssertion
from fastmcp.server.auth.providers.jwt import JWTVerifier, StaticTokenVerifier
from key_value.aio.stores.memory import MemoryStore
from mcp.server.auth.provider import IdentityAssertionParams, TokenError
from mcp.server.auth.routes import create_auth_routes
from mcp.shared.auth import JWT_BEARER_GRANT_TYPE, OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl, AnyUrl
from starlette.applications import Starlette

import idjag.mcp

ISSUER, RESOURCE, IDP = (
    "https://auth.chat.example",
    "https://mcp.chat.example/mcp",
    "https://acme.idp.example",
)
CLIENT, SECRET = "f53f191f9311af35", "a-secret-of-a-benchmark"
TYP = "oauth-id-jag+jwt"


class SdkPattern:
    """The steps that the SDK's documentation asks of `exchange_identity_assertion`, over PyJWT, and EdDSA tokens."""

    def __init__(self, idp: rsa.RSAPublicKey) -> None:
        self._idp = idp
        self.key = ed25519.Ed25519PrivateKey.generate()
        self._used: dict[str, float] = {}

    def exchange(self, assertion: str, client_id: str) -> str:
        if jwt.get_unverified_header(assertion).get("typ") != TYP:
            raise TokenError("invalid_grant", "typ")
        claims = jwt.decode(
            assertion,
            self._idp,
            algorithms=["RS256"],
            audience=ISSUER,
            issuer=IDP,
            leeway=30,
            options={"require": ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "resource"]},
        )
        if claims["client_id"] != client_id or claims["resource"] != RESOURCE or claims["jti"] in self._used:
            raise TokenError("invalid_grant", "binding")
        self._used[claims["jti"]] = claims["exp"]
        now = int(time.time())
        token = {
            "iss": ISSUER,
            "sub": claims["sub"],
            "aud": claims["resource"],
            "client_id": client_id,
            "scope": claims.get("scope", ""),
            "iat": now,
            "exp": now + 3600,
            "jti": secrets.token_urlsafe(16),
        }
        return jwt.encode(token, self.key, "EdDSA", headers={"typ": "at+jwt"})

    def verify(self, token: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token, self.key.public_key(), algorithms=["EdDSA"], audience=RESOURCE, issuer=ISSUER
        )
        return claims


class SdkProvider(idjag.mcp.AuthorizationServer):
    """The same behind the SDK's own handlers."""

    def __init__(self, pattern: SdkPattern, exchange: idjag.Exchange) -> None:
        super().__init__(exchange, resource=RESOURCE, secrets={CLIENT: SECRET})
        self._pattern = pattern

    async def exchange_identity_assertion(
        self, client: OAuthClientInformationFull, params: IdentityAssertionParams
    ) -> OAuthToken:
        token = self._pattern.exchange(params.assertion, client.client_id or "")
        return OAuthToken(access_token=token, expires_in=3600, scope="chat.read")


def sdk(pattern: SdkPattern, exchange: idjag.Exchange) -> Starlette:
    """The SDK's token endpoint over that."""
    routes = create_auth_routes(
        SdkProvider(pattern, exchange), AnyHttpUrl(ISSUER), identity_assertion_enabled=True
    )
    return Starlette(routes=routes)


def fastmcp_proxy(idp: rsa.RSAPublicKey) -> OAuthProxy:
    """FastMCP's, its store in memory, the IdP's key at hand, and its ceiling of 10,000 assertions lifted."""
    proxy = OAuthProxy(
        upstream_authorization_endpoint="https://login.example/authorize",
        upstream_token_endpoint="https://login.example/token",
        upstream_client_id="chat",
        upstream_client_secret="upstream-secret",
        token_verifier=StaticTokenVerifier({"none": {"client_id": "none", "scopes": []}}),
        base_url=ISSUER,
        resource_base_url=RESOURCE.removesuffix("/mcp"),
        client_storage=MemoryStore(),
        jwt_signing_key="a-signing-key-of-a-benchmark",
        identity_assertion=IdentityAssertion(trusted_issuers=[IDP]),
    )
    validator = proxy._identity_assertion_validator
    assert validator is not None
    pem = idp.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    validator._verifiers[IDP] = JWTVerifier(
        public_key=pem.decode(), issuer=IDP, audience=validator.audience, algorithm="RS256"
    )
    validator._jti_cache_max_size = 10**9
    return proxy


async def registered(proxy: OAuthProxy) -> OAuthClientInformationFull:
    """A client of it, registered for this grant."""
    client = OAuthClientInformationFull(
        client_id=CLIENT,
        client_secret=None,
        redirect_uris=[AnyUrl("https://client.example/callback")],
        grant_types=[JWT_BEARER_GRANT_TYPE],
        token_endpoint_auth_method="none",
    )
    await proxy.register_client(client)
    return client


def fastmcp_server(proxy: OAuthProxy) -> Starlette:
    """A FastMCP server with it."""
    mcp: FastMCP[Any] = FastMCP("chat", auth=proxy)
    return mcp.http_app(path="/mcp")
