"""`make demo-mcp`: an IdP, an MCP server and the SDK's own client, over HTTP on this machine.

1. Ada, who is in `eng`, calls a tool. Nobody asks her for anything.
2. Grace, who is not, is refused; the operator asks why.
3. The administrator suspends the connector. Ada's token, which had an hour to live, is worth nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import idp as company
import uvicorn
from client import AssertionProvider, InMemory, call
from mcp.client.auth import OAuthTokenError
from server_sdk import application

import idjag

CLIENT = "f53f191f9311af35"
PEOPLE = {"ada": ["eng"], "grace": ["guests"]}

CONFIG = """\
issuer = "{origin}"
policy = "policy.toml"
audit = "off"
[tokens]
keys = "ephemeral"
[replay]
cold_start = "accept"

[[idps]]
issuer = "{idp}"
jwks_file = "idp.jwks.json"
groups = {{ claim = "groups" }}

[[clients]]
id = "{client}"
auth = "client_secret_basic"
secret_sha256 = "{digest}"
connectors = ["chat"]
idps = ["*"]
"""

POLICY = """\
[[connectors]]
id = "chat"
resource = "{origin}/mcp"
scopes = ["chat.read", "chat.history"]
state = "enabled"
owner = "chat-platform@acme.example"
review_by = 2999-01-01
[[connectors.grants]]
groups = ["eng"]
issuer = "{idp}"
scopes = ["chat.read", "chat.history"]
"""


def listening() -> tuple[socket.socket, str]:
    """A socket on this machine, and the origin that it will be."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def serving(app: Any, listener: socket.socket) -> AsyncIterator[None]:
    """uvicorn, for as long as it is needed."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def logged_in(idp: idjag.IdentityProvider, secret: str, person: str, kept: list[str]) -> AssertionProvider:
    """The first leg: the ID token of who logged in becomes an ID-JAG for this client, server and resource."""
    id_token = idp.id_token(person, client_id="agent", groups=PEOPLE[person])

    async def id_jag(audience: str, resource: str) -> str:
        form = company.asking(id_token, secret, audience, resource)
        async with httpx2.AsyncClient() as http:
            answer = await http.post(f"{idp.issuer}/token", data=form)
        kept.append(answer.raise_for_status().json()["access_token"])
        return kept[-1]

    return id_jag


def first(error: BaseException) -> BaseException:
    """The first error within groups of errors."""
    inner = getattr(error, "exceptions", None)
    return first(inner[0]) if inner else error


async def main() -> None:
    secret = secrets.token_urlsafe(32)
    (idp_listener, idp_origin), (listener, origin) = listening(), listening()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        names = {"origin": origin, "idp": idp_origin, "client": CLIENT}
        names["digest"] = hashlib.sha256(secret.encode()).hexdigest()
        (folder / "idp.toml").write_text(company.CONFIG.format(**names))
        idp = idjag.IdentityProvider(folder / "idp.toml")
        (folder / "idp.jwks.json").write_bytes(idp.jwks())
        (folder / "idjag.toml").write_text(CONFIG.format(**names))
        policy = POLICY.format(**names)
        (folder / "policy.toml").write_text(policy)
        exchange = idjag.Exchange(folder / "idjag.toml")
        resource = f"{origin}/mcp"
        await stack.enter_async_context(serving(company.application(idp), idp_listener))
        await stack.enter_async_context(serving(application(exchange, resource), listener))
        print(f"the company's IdP  {idp_origin}   (a stand-in)")
        print(f"the MCP server     {resource}   (uvicorn, the MCP SDK, idjag)\n")

        async def as_person(person: str, kept: list[str], storage: InMemory) -> str:
            return await call(
                resource,
                "whoami",
                issuer=origin,
                client_id=CLIENT,
                client_secret=secret,
                assertion=logged_in(idp, secret, person, kept),
                storage=storage,
            )

        print("1. ada calls the tool `whoami`. It saw:")
        ada = InMemory()
        print(f"     {await as_person('ada', [], ada)}\n")

        print("2. grace, who is in no group that a rule names, calls it:")
        kept: list[str] = []
        try:
            await as_person("grace", kept, InMemory())
            sys.exit("grace got in")
        except Exception as error:
            refusal = first(error)
            if not isinstance(refusal, OAuthTokenError):
                raise
            print(f"     her client is told: {refusal}")
        print("   the operator asks why:\n")
        print(
            "     "
            + str(exchange.explain(kept[0], client_id=CLIENT)).replace("\n", "\n     ").rstrip()
            + "\n"
        )

        assert ada.tokens is not None
        token = ada.tokens
        print(f"3. ada's token has {token.expires_in} s to live. The administrator suspends the connector:")
        print('     state = "suspended"')
        authorized = {"Authorization": f"Bearer {token.access_token}"}
        async with httpx2.AsyncClient(headers=authorized) as http:
            before = (await http.post(resource, json={})).status_code
            exchange.put_policy(policy.replace('"enabled"', '"suspended"'), name="policy.toml")
            after = (await http.post(resource, json={})).status_code
        print(f"   with it the MCP server answered {before} before (an empty request), and {after} after.")
        if before == 401 or after != 401:
            sys.exit("that is not as it should be")


if __name__ == "__main__":
    asyncio.run(main())
