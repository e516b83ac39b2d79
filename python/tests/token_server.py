"""The MCP SDK's own client gets its token from the example in C: `token_server.py TOKEN_SERVER`.

Part of `make test-c`, which has built the example. The SDK reads the metadata, authenticates, hands over the ID-JAG,
and goes to the resource with what it gets; the resource takes what the published keys verify.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import httpx2
import jwt
from company import ACME, CLIENT, POSTING, POSTING_SECRET, SECRET, SUBJECT, configuration
from mcp.client.auth import OAuthTokenError
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

RESOURCE = "https://mcp.chat.example/mcp"
Method = Literal["client_secret_basic", "client_secret_post"]


class Storage:
    """Where the SDK's client keeps its token."""

    tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        raise AssertionError("the client is written down, and not registered")


class Resource(httpx2.AsyncHTTPTransport):
    """The resource, which is nowhere but here; requests to anybody else go over the network."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self._keys = jwt.PyJWKSet.from_json(httpx2.get(f"{origin}/jwks").text)
        self._origin = origin

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if str(request.url) != RESOURCE:
            return await super().handle_async_request(request)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer":
            return httpx2.Response(401, request=request)
        header = jwt.get_unverified_header(token)
        assert header["typ"] == "at+jwt"
        claims = jwt.decode(
            token, self._keys[header["kid"]], algorithms=["EdDSA"], audience=RESOURCE, issuer=self._origin
        )
        return httpx2.Response(200, json=claims, request=request)


class Client:
    """The SDK's client, as `client_id`."""

    def __init__(self, origin: str, client_id: str, secret: str, method: Method) -> None:
        self.origin, self.client_id, self._secret, self._method = origin, client_id, secret, method

    def id_jag(self, *groups: str, audience: str | None = None) -> str:
        return ACME.id_jag(audience or self.origin, RESOURCE, groups=groups, client_id=self.client_id)

    async def visit(self, assertion: str, secret: str | None = None) -> dict[str, Any]:
        """What the resource says."""

        async def provider(audience: str, resource: str) -> str:
            assert (audience, resource) == (self.origin, RESOURCE)
            return assertion

        auth = IdentityAssertionOAuthProvider(
            server_url=RESOURCE,
            storage=Storage(),
            client_id=self.client_id,
            client_secret=secret or self._secret,
            issuer=self.origin,
            assertion_provider=provider,
            token_endpoint_auth_method=self._method,
        )
        async with httpx2.AsyncClient(auth=auth, transport=Resource(self.origin)) as http:
            answer = await http.get(RESOURCE)
            assert answer.status_code == 200
            claims: dict[str, Any] = answer.json()
            return claims

    async def refusal(self, assertion: str, secret: str | None = None) -> str:
        """How the token endpoint refuses, as the SDK tells it."""
        try:
            claims = await self.visit(assertion, secret)
        except OAuthTokenError as error:
            return str(error)
        raise AssertionError(f"granted: {claims}")


async def drive(client: Client) -> None:
    assertion = client.id_jag("sales", "guests")
    claims = await client.visit(assertion)
    said = {name: claims[name] for name in ("sub", "idp", "client_id", "scope", "groups")}
    assert said == {
        "sub": SUBJECT,
        "idp": ACME.issuer,
        "client_id": client.client_id,
        "scope": "chat.read",
        "groups": ["sales"],
    }
    assert '"invalid_grant"' in await client.refusal(assertion), "the same again"
    assert '"access_denied"' in await client.refusal(client.id_jag("guests")), "a group that no grant names"
    elsewhere = client.id_jag("eng", audience="https://auth.another.example")
    assert '"invalid_grant"' in await client.refusal(elsewhere), "for another server"
    fresh = client.id_jag("eng")
    assert '"invalid_client"' in await client.refusal(fresh, "another-secret"), "another secret"
    # Which burned nothing.
    assert (await client.visit(fresh))["scope"] == "chat.read chat.history"


SLUGS = ["replayed", "group_required", "audience_mismatch", "client_secret_wrong"]


async def drive_all(origin: str) -> None:
    await drive(Client(origin, CLIENT, SECRET, "client_secret_basic"))
    await drive(Client(origin, POSTING, POSTING_SECRET, "client_secret_post"))
    async with httpx2.AsyncClient() as http:
        metadata = (await http.get(f"{origin}/.well-known/oauth-authorization-server")).json()
        answer = await http.get(metadata["authorization_endpoint"], params={"response_type": "code"})
        assert (answer.status_code, answer.json()) == (400, {"error": "unauthorized_client"})


def main(server: str) -> None:
    # The issuer identifier has the port in it, so the port comes first.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    origin = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "idjag.json"
        config.write_text(json.dumps(configuration(origin, RESOURCE)))
        # A shell may have us ignore it in the background, and the server would inherit that.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        process = subprocess.Popen(
            [server, str(config), str(port), "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == origin, "the server does not start"
            asyncio.run(drive_all(origin))
        finally:
            # As from a terminal; `ffi/tests/examples` sends SIGTERM.
            process.send_signal(signal.SIGINT)
            _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log
    slugs = [line.removeprefix("refused: ") for line in log.splitlines()]
    assert slugs == SLUGS * 2, log


if __name__ == "__main__":
    main(sys.argv[1])
    print("test-c: the MCP SDK's client gets its tokens from token_server, and is refused as it should be")
