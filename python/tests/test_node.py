"""What comes from npm: the MCP conformance tool, and the TypeScript SDK's client, against real servers of ours."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from company import ACME, CLIENT, SECRET, configuration
from conftest import ROOT
from fastmcp import FastMCP
from fastmcp.server.auth import MultiAuth
from fastmcp.server.auth.providers.in_memory import InMemoryOAuthProvider
from mcp.server.auth.settings import ClientRegistrationOptions
from serving import listening, served

import idjag
from idjag.fastmcp import IdJagAuth

FOLDER = Path(__file__).parent / "node"
MODULES = FOLDER / "node_modules"
NODE = MODULES / ".bin" / "node"
sys.path.insert(0, str(ROOT / "python" / "examples"))


async def node(*arguments: str) -> tuple[int, str]:
    """Runs Node 22, which comes from npm as well, and gives its status and what it printed."""
    if not NODE.exists():
        pytest.fail("the packages of python/tests/node are missing: run 'make deps'")
    process = await asyncio.create_subprocess_exec(
        str(NODE),
        *arguments,
        cwd=FOLDER,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def conformance(issuer: str) -> tuple[int, str]:
    """The scenario about the metadata of an authorization server: it is the one that an EMA server could meet."""
    tool = str(MODULES / "@modelcontextprotocol" / "conformance" / "dist" / "index.js")
    scenario = "authorization-server-metadata-endpoint"
    return await node(tool, "authorization", "--url", issuer, "--scenario", scenario)


async def test_conformance_beside_a_provider_with_the_code_flow() -> None:
    listener, origin = listening()
    exchange = idjag.Exchange(configuration(f"{origin}/enterprise", f"{origin}/mcp"))
    ours = IdJagAuth(exchange, resource=f"{origin}/mcp")
    theirs = InMemoryOAuthProvider(
        base_url=origin, client_registration_options=ClientRegistrationOptions(enabled=True)
    )
    mcp: FastMCP[Any] = FastMCP("chat", auth=MultiAuth(server=theirs, verifiers=[ours]))
    ours.mount(mcp)
    async with served(mcp.http_app(), listener):
        # FastMCP's issuer has the slash.
        status, said = await conformance(f"{origin}/")
    assert status == 0, said
    assert "Passed: 1/1, 0 failed" in said


async def test_what_a_server_of_id_jags_alone_cannot_pass() -> None:
    """It has no code flow to tell of, and does not pretend. The README names what this is."""
    listener, origin = listening()
    exchange = idjag.Exchange(configuration(origin, f"{origin}/mcp"))
    mcp: FastMCP[Any] = FastMCP("chat", auth=IdJagAuth(exchange, resource=f"{origin}/mcp"))
    async with served(mcp.http_app(), listener):
        status, said = await conformance(origin)
    assert status == 1
    missing = [word.split('"')[1] for word in said.split("does not include valid ")[1:]]
    assert set(missing) == {"response_types_supported", "code_challenge_methods_supported"}
    readme = (ROOT / "README.md").read_text()
    assert all(f"`{name}`" in readme for name in missing)


async def test_the_client_of_the_typescript_sdk() -> None:
    from server_sdk import application

    listener, origin = listening()
    resource = f"{origin}/mcp"
    exchange = idjag.Exchange(configuration(origin, resource))
    async with served(application(exchange, resource), listener):
        id_jag = ACME.id_jag(origin, resource)
        status, said = await node("client.js", resource, CLIENT, SECRET, id_jag)
        assert status == 0, said
        assert said == f"1001 of {ACME.issuer}, in ['eng'], may ['chat.read', 'chat.history']\n"
        # Once.
        status, said = await node("client.js", resource, CLIENT, SECRET, id_jag)
        assert status != 0
        assert "invalid_grant" in said or "InvalidGrant" in said, said
