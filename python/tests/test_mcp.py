"""The doors of the MCP SDK, with the SDK itself: its server, its client, its rules."""

from __future__ import annotations

import base64
import hashlib
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from company import (
    ACME,
    CLIENT,
    GLOBEX,
    GRANT_TYPE,
    POSTING,
    POSTING_SECRET,
    SECRET,
    basic,
    configuration,
)
from fastmcp.server.auth.providers.in_memory import InMemoryOAuthProvider
from mcp import ClientSession
from mcp.client.auth import OAuthTokenError
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizeError,
    IdentityAssertionParams,
    OAuthAuthorizationServerProvider,
    RegistrationError,
    TokenError,
    principal_components,
)
from mcp.server.auth.provider import TokenVerifier as SdkTokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.shared.auth import OAuthClientInformationFull, OAuthMetadata, OAuthToken
from serving import listening, served
from starlette.exceptions import HTTPException

import idjag
import idjag.mcp


class Storage:
    """Where the SDK's client keeps its tokens."""

    tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        raise AssertionError


def whoami() -> str:
    """Who the tool sees."""
    token = get_access_token()
    assert token is not None
    claims = token.claims or {}
    return f"{token.subject} of {claims['iss']} in {','.join(claims['groups'])} may {' '.join(token.scopes)}"


class Serving:
    """A real MCP server at `origin`, its engine, and its resource."""

    def __init__(self, origin: str, exchange: idjag.Exchange) -> None:
        self.origin, self.exchange, self.resource = origin, exchange, f"{origin}/mcp"

    @asynccontextmanager
    async def session(
        self, assertion: Callable[[str, str], str], storage: Storage | None = None, **more: Any
    ) -> AsyncIterator[ClientSession]:
        """The SDK's own client, with an assertion for each exchange."""

        async def provider(audience: str, resource: str) -> str:
            return assertion(audience, resource)

        more.setdefault("token_endpoint_auth_method", "client_secret_basic")
        auth = IdentityAssertionOAuthProvider(
            server_url=self.resource,
            storage=storage or Storage(),
            client_id=more.pop("client_id", CLIENT),
            client_secret=more.pop("client_secret", SECRET),
            issuer=self.origin,
            assertion_provider=provider,
            **more,
        )
        async with (
            httpx2.AsyncClient(auth=auth) as http,
            streamable_http_client(self.resource, http_client=http) as streams,
            ClientSession(*streams[:2]) as session,
        ):
            await session.initialize()
            yield session


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    listener, origin = listening()
    resource = f"{origin}/mcp"
    exchange = idjag.Exchange(configuration(origin, resource))
    server = MCPServer(
        "chat",
        token_verifier=idjag.mcp.TokenVerifier(exchange, resource=resource),
        auth=AuthSettings.model_validate(
            {"issuer_url": origin, "resource_server_url": resource, "validate_token_resource": False}
        ),
    )
    server.tool()(whoami)
    app = server.streamable_http_app()
    app.router.routes[:0] = idjag.mcp.routes(exchange, resources=[resource])
    async with served(app, listener):
        yield Serving(origin, exchange)


async def test_the_metadata_are_what_the_sdk_can_read(serving: Serving) -> None:
    async with httpx2.AsyncClient(base_url=serving.origin) as http:
        response = await http.get("/.well-known/oauth-authorization-server")
        metadata = OAuthMetadata.model_validate_json(response.content)
        assert str(metadata.issuer) == serving.origin
        assert metadata.response_types_supported == []
        assert metadata.code_challenge_methods_supported is None
        for method in ("GET", "POST"):
            refused = await http.request(method, str(metadata.authorization_endpoint))
            assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")


async def called(session: ClientSession) -> str:
    result = await session.call_tool("whoami", {})
    assert not result.is_error
    text: str = result.content[0].text  # type: ignore[union-attr]
    return text


def causes(error: BaseException) -> list[BaseException]:
    """The errors within groups of errors."""
    if isinstance(error, BaseExceptionGroup):  # noqa: F821
        return [cause for inner in error.exceptions for cause in causes(inner)]
    return [error]


async def test_the_sdks_own_client_calls_a_tool(serving: Serving) -> None:
    async with serving.session(ACME.id_jag) as session:
        assert await called(session) == f"1001 of {ACME.issuer} in eng may chat.read chat.history"
    async with serving.session(
        lambda audience, resource: GLOBEX.id_jag(audience, resource, groups=["sales"], client_id=POSTING),
        client_id=POSTING,
        client_secret=POSTING_SECRET,
        token_endpoint_auth_method="client_secret_post",
    ) as session:
        assert await called(session) == f"1001 of {GLOBEX.issuer} in sales may chat.read"


async def test_a_person_without_the_group_is_refused_and_told_nothing(serving: Serving) -> None:
    with pytest.raises(BaseException) as refused:  # noqa: PT011
        async with serving.session(lambda a, r: ACME.id_jag(a, r, groups=["guests"])) as session:
            await called(session)
    (cause,) = causes(refused.value)
    assert isinstance(cause, OAuthTokenError)
    assert "access_denied" in str(cause)
    assert "group" not in str(cause)


async def test_a_token_stops_working_when_the_connector_is_suspended(serving: Serving) -> None:
    storage = Storage()
    async with serving.session(ACME.id_jag, storage) as session:
        await called(session)
    assert storage.tokens is not None
    authorized = {"Authorization": f"Bearer {storage.tokens.access_token}"}
    async with httpx2.AsyncClient() as http:

        async def status() -> int:
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            accept = {"Accept": "application/json, text/event-stream"}
            response = await http.post(serving.resource, json=ping, headers=authorized | accept)
            return response.status_code

        assert await status() != 401
        serving.exchange.revoke(idjag.Revocation.connector("chat"))
        assert await status() == 401


async def test_sessions_of_two_customers_are_two_peoples(serving: Serving) -> None:
    """Both have a "1001" at the same client: what one opened the other does not get into."""
    accept = {"Accept": "application/json, text/event-stream"}
    initialize = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        },
    }
    tokens = [
        serving.exchange.exchange(idp.id_jag(serving.origin, serving.resource), client_id=CLIENT).access_token
        for idp in (ACME, GLOBEX)
    ]
    async with httpx2.AsyncClient() as http:

        async def post(token: str, message: Any, **headers: str) -> httpx2.Response:
            headers |= accept | {"Authorization": f"Bearer {token}"}
            return await http.post(serving.resource, json=message, headers=headers)

        opened = await post(tokens[0], initialize)
        session = opened.headers["mcp-session-id"]
        listing = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        own = await post(tokens[0], listing, **{"mcp-session-id": session})
        other = await post(tokens[1], listing, **{"mcp-session-id": session})
    assert own.status_code == 200
    assert other.status_code in (403, 404)


async def test_what_the_sdk_knows_of_a_token() -> None:
    exchange = idjag.Exchange(configuration("https://a.example", "https://mcp.example/mcp"))
    verifier: SdkTokenVerifier = idjag.mcp.TokenVerifier(exchange, resource="https://mcp.example/mcp")
    issued = exchange.exchange(ACME.id_jag("https://a.example", "https://mcp.example/mcp"), client_id=CLIENT)
    token = await verifier.verify_token(issued.access_token)
    assert token is not None
    assert principal_components(token) == (CLIENT, ACME.issuer, "1001")
    assert token.resource == issued.resource
    assert token.scopes == issued.scopes
    assert token.claims is not None
    assert token.claims["idp"] == ACME.issuer
    elsewhere = idjag.mcp.TokenVerifier(exchange, resource="https://mcp.example/other")
    assert await elsewhere.verify_token(issued.access_token) is None
    assert await verifier.verify_token("\ud800") is None
    # What the policy gives today, not what the token says.
    exchange.put_policy(
        {
            "connectors": [
                {
                    "id": "chat",
                    "resource": "https://mcp.example/mcp",
                    "scopes": ["chat.read", "chat.history"],
                    "state": "enabled",
                    "owner": "o@acme.example",
                    "review_by": "2999-01-01",
                    "grants": [{"groups": ["eng"], "any_issuer": True, "scopes": ["chat.read"]}],
                }
            ]
        }
    )
    narrowed = await verifier.verify_token(issued.access_token)
    assert narrowed is not None
    assert narrowed.scopes == ["chat.read"]
    assert narrowed.claims is not None
    assert narrowed.claims["scope"] == "chat.read"


def test_two_tenants_are_two_principals() -> None:
    class Who:
        def __init__(self, idp: str, tenant: str | None) -> None:
            self.idp, self.tenant = idp, tenant

    pairs = [
        ("https://a", None),
        ("https://a", "b"),
        ("https://a", ""),
        ("https://a", "b#c"),
        ("https://a/b", None),
    ]
    texts = {idjag.mcp.principal_issuer(Who(*pair)) for pair in pairs}  # type: ignore[arg-type]
    assert len(texts) == len(pairs)


def provided() -> tuple[idjag.Exchange, idjag.mcp.AuthorizationServer]:
    exchange = idjag.Exchange(configuration("https://a.example", "https://mcp.example/mcp"))
    return exchange, idjag.mcp.AuthorizationServer(
        exchange, resource="https://mcp.example/mcp", secrets={POSTING: POSTING_SECRET}
    )


async def test_the_finished_provider_does_one_thing() -> None:
    _, provider = provided()
    client = await provider.get_client(POSTING)
    assert client is not None
    assert await provider.get_client("unknown") is None
    id_jag = ACME.id_jag("https://a.example", "https://mcp.example/mcp", client_id=POSTING)
    tokens = await provider.exchange_identity_assertion(client, IdentityAssertionParams(assertion=id_jag))
    assert (tokens.token_type, tokens.refresh_token) == ("Bearer", None)
    loaded = await provider.load_access_token(tokens.access_token)
    assert isinstance(loaded, AccessToken)
    await provider.revoke_token(loaded)
    await provider.revoke_token(loaded)
    assert await provider.load_access_token(tokens.access_token) is None
    anything: Any = None
    with pytest.raises(RegistrationError):
        await provider.register_client(client)
    with pytest.raises(AuthorizeError):
        await provider.authorize(client, anything)
    assert await provider.load_authorization_code(client, "x") is None
    assert await provider.load_refresh_token(client, "x") is None
    with pytest.raises(TokenError):
        await provider.exchange_authorization_code(client, anything)
    with pytest.raises(TokenError):
        await provider.exchange_refresh_token(client, anything, [])
    # Nothing of the protocol is left as the SDK has it.
    methods = {name for name, _ in inspect.getmembers(OAuthAuthorizationServerProvider, inspect.isfunction)}
    asynchronous = {name for name in methods if not name.startswith("_")}
    assert len(asynchronous) == 10
    for name in asynchronous:
        assert getattr(type(provider), name) is not getattr(OAuthAuthorizationServerProvider, name)


@pytest.mark.parametrize(
    ("claims", "asked", "error"),
    [
        ({"groups": ["guests"]}, {}, "invalid_grant"),
        ({"client_id": "another"}, {}, "invalid_grant"),
        ({"exp": 7}, {}, "invalid_grant"),
        ({}, {"resource": "https://else.example/"}, "invalid_target"),
        ({}, {"scopes": ["chat.write"]}, "invalid_scope"),
    ],
    ids=str,
)
async def test_refusals_in_the_words_of_the_sdk(claims: Any, asked: Any, error: str) -> None:
    _, provider = provided()
    client = await provider.get_client(POSTING)
    assert client is not None
    arguments: dict[str, Any] = {"client_id": POSTING} | claims
    id_jag = ACME.id_jag("https://a.example", "https://mcp.example/mcp", **arguments)
    with pytest.raises(TokenError) as refused:
        await provider.exchange_identity_assertion(client, IdentityAssertionParams(assertion=id_jag, **asked))
    assert refused.value.error == error


async def test_no_answer_is_no_refusal() -> None:
    config = configuration("https://a.example", "https://mcp.example/mcp")
    del config["idps"][0]["jwks"]
    config["idps"][0]["jwks_uri"] = "https://acme.idp.example/keys"
    config["fetch"] = {"enabled": False}
    provider = idjag.mcp.AuthorizationServer(
        idjag.Exchange(config), resource="https://mcp.example/mcp", secrets={POSTING: POSTING_SECRET}
    )
    client = await provider.get_client(POSTING)
    assert client is not None
    id_jag = ACME.id_jag("https://a.example", "https://mcp.example/mcp", client_id=POSTING)
    with pytest.raises(HTTPException) as unavailable:
        await provider.exchange_identity_assertion(client, IdentityAssertionParams(assertion=id_jag))
    assert unavailable.value.status_code == 503
    assert unavailable.value.headers is not None
    assert int(unavailable.value.headers["Retry-After"]) > 0


async def test_the_finished_provider_behind_the_sdks_own_handlers() -> None:
    """The second door: whoever sends `client_id` in the form and has a secret gets in."""
    listener, origin = listening()
    resource = f"{origin}/mcp"
    exchange = idjag.Exchange(configuration(origin, resource))
    server = MCPServer(
        "chat",
        auth_server_provider=idjag.mcp.AuthorizationServer(
            exchange, resource=resource, secrets={POSTING: POSTING_SECRET}
        ),
        auth=AuthSettings.model_validate(
            {
                "issuer_url": origin,
                "resource_server_url": resource,
                "validate_token_resource": True,
                "identity_assertion_enabled": True,
                "revocation_options": {"enabled": True},
            }
        ),
    )
    server.tool()(whoami)
    async with served(server.streamable_http_app(), listener):
        serving = Serving(origin, exchange)
        storage = Storage()
        async with serving.session(
            lambda a, r: ACME.id_jag(a, r, client_id=POSTING),
            storage,
            client_id=POSTING,
            client_secret=POSTING_SECRET,
            token_endpoint_auth_method="client_secret_post",
        ) as session:
            assert await called(session) == f"1001 of {ACME.issuer} in eng may chat.read chat.history"
        assert storage.tokens is not None
        secret = {"client_id": POSTING, "client_secret": POSTING_SECRET}
        async with httpx2.AsyncClient(base_url=origin) as http:
            id_jag = ACME.id_jag(origin, resource, client_id=POSTING, groups=["guests"])
            form = {"grant_type": GRANT_TYPE, "assertion": id_jag}
            denied = await http.post("/token", data=form | secret)
            assert (denied.status_code, denied.json()["error"]) == (400, "invalid_grant")
            # What the SDK's handler shuts out, and our routes do not.
            shut_out = await http.post("/token", data=form, headers={"Authorization": basic()})
            assert shut_out.status_code == 401
            back = await http.post("/revoke", data=secret | {"token": storage.tokens.access_token})
            assert back.status_code == 200
        assert exchange.verify(storage.tokens.access_token, resource=resource) is None


class Both(idjag.mcp.IdentityAssertionMixin, InMemoryOAuthProvider):
    """Somebody else's provider, with a code flow of its own, that takes ID-JAGs as well."""

    def __init__(self, exchange: idjag.Exchange, origin: str, resource: str) -> None:
        super().__init__(base_url=origin)
        self.idjag_exchange = exchange
        self.ours = idjag.mcp.TokenVerifier(exchange, resource=resource)

    async def load_access_token(self, token: str) -> AccessToken | None:  # type: ignore[override]
        return await self.ours.verify_token(token) or await super().load_access_token(token)


async def test_a_provider_that_one_has_takes_id_jags_as_well() -> None:
    """The mixin over FastMCP's provider, behind the SDK's handlers: its code flow goes on as before."""
    listener, origin = listening()
    resource = f"{origin}/mcp"
    exchange = idjag.Exchange(configuration(origin, resource))
    provider = Both(exchange, origin, resource)
    await provider.register_client(
        OAuthClientInformationFull.model_validate(
            {
                "client_id": POSTING,
                "client_secret": POSTING_SECRET,
                "redirect_uris": [f"{origin}/back"],
                "grant_types": ["authorization_code", "refresh_token", GRANT_TYPE],
                "token_endpoint_auth_method": "client_secret_post",
                "scope": "chat.read",
            }
        )
    )
    server = MCPServer(
        "chat",
        auth_server_provider=provider,
        auth=AuthSettings.model_validate(
            {
                "issuer_url": origin,
                "resource_server_url": resource,
                "validate_token_resource": False,
                "identity_assertion_enabled": True,
                "revocation_options": {"enabled": True},
            }
        ),
    )
    server.tool()(whoami)
    secret = {"client_id": POSTING, "client_secret": POSTING_SECRET}
    verifier = "a-verifier-that-is-long-enough-for-rfc-7636-section-4"
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    async with served(server.streamable_http_app(), listener), httpx2.AsyncClient(base_url=origin) as http:
        metadata = (await http.get("/.well-known/oauth-authorization-server")).json()
        assert {"authorization_code", GRANT_TYPE} <= set(metadata["grant_types_supported"])
        asked = {
            "response_type": "code",
            "client_id": POSTING,
            "redirect_uri": f"{origin}/back",
            "code_challenge": digest.decode().rstrip("="),
            "code_challenge_method": "S256",
            "scope": "chat.read",
        }
        sent_back = await http.get("/authorize", params=asked)
        code = parse_qs(urlsplit(sent_back.headers["location"]).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": f"{origin}/back"}
        theirs = (await http.post("/token", data=form | secret | {"code_verifier": verifier})).json()
        again = {"grant_type": "refresh_token", "refresh_token": theirs["refresh_token"]}
        theirs = (await http.post("/token", data=again | secret)).json()

        id_jag = ACME.id_jag(origin, resource, client_id=POSTING)
        form = {"grant_type": GRANT_TYPE, "assertion": id_jag}
        ours = (await http.post("/token", data=form | secret)).json()
        assert exchange.verify(ours["access_token"], resource=resource) is not None
        assert "refresh_token" not in ours
        replayed = await http.post("/token", data=form | secret)
        assert (replayed.status_code, replayed.json()["error"]) == (400, "invalid_grant")

        async def status(token: str) -> int:
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            accept = {"Accept": "application/json, text/event-stream"}
            response = await http.post(
                resource, json=ping, headers=accept | {"Authorization": f"Bearer {token}"}
            )
            return response.status_code

        assert 401 not in (await status(theirs["access_token"]), await status(ours["access_token"]))
        assert await status("neither") == 401
        # What an administrator takes away is ours alone.
        exchange.revoke(idjag.Revocation.connector("chat"))
        assert await status(ours["access_token"]) == 401
        assert await status(theirs["access_token"]) != 401
