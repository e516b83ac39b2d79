"""The examples run, and the README's example runs as it stands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from company import ACME, configuration
from conftest import ROOT

EXAMPLES = ROOT / "python" / "examples"
# `make wheel` runs this with the Python of an environment that has nothing but the wheel.
PYTHON = os.environ.get("IDJAG_PYTHON", sys.executable)


@pytest.mark.parametrize("page", ["README.md", "python/README.md"])
def test_the_example_of_the_readme(tmp_path: Path, page: str) -> None:
    blocks = [block.split("```")[0] for block in (ROOT / page).read_text().split("```python\n")[1:]]
    assert len(blocks) == 1
    config = configuration("https://auth.chat.example/", "https://mcp.chat.example/")
    # A text that begins with a brace is read as JSON, whatever its file is called.
    (tmp_path / "idjag.toml").write_text(json.dumps(config))
    id_jag = ACME.id_jag(config["issuer"], "https://mcp.chat.example/")
    script = f"assertion = {id_jag!r}\n{blocks[0]}"
    ran = subprocess.run(
        [PYTHON, "-W", "error", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"1001 of {ACME.issuer} may chat.read chat.history\n"


@pytest.mark.skipif("IDJAG_PYTHON" not in os.environ, reason="`make wheel` runs this")
def test_what_is_in_the_wheel() -> None:
    script = """
import importlib.metadata as metadata
wheel = metadata.distribution("idjag")
for path in wheel.files:
    print(path)
for licence in ("LICENSE-APACHE", "LICENSE-MIT"):
    print(licence, len(wheel.read_text(f"licenses/{licence}")))
print(*metadata.requires("idjag") or ())
"""
    said = subprocess.run([PYTHON, "-c", script], capture_output=True, text=True, check=True).stdout
    for name in ("LICENSE-APACHE", "LICENSE-MIT"):
        assert f"{name} {len((ROOT / name).read_text())}\n" in said
    files = {line for line in said.splitlines() if line.startswith("idjag/") and "__pycache__" not in line}
    sources = {f"idjag/{path.name}" for path in (ROOT / "python" / "idjag").glob("*.py*") if path.is_file()}
    assert {file for file in files if "_core.abi3" not in file} == sources | {"idjag/py.typed"}
    assert len(files) == len(sources) + 2
    assert all("extra ==" in line for line in said.splitlines() if ">=" in line), "it depends on nothing"


@pytest.mark.skipif("IDJAG_PYTHON" in os.environ, reason="the wheel depends on nothing")
def test_the_demonstration() -> None:
    ran = subprocess.run(
        [sys.executable, EXAMPLES / "demo.py"], capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    for said in (
        "ada of http://127.0.0.1:",
        "in ['eng'], may ['chat.read', 'chat.history']",
        "access_denied",
        "refused: group_required",
        "put the person into one of: eng",
        "and 401 after",
    ):
        assert said in ran.stdout, ran.stdout


async def test_the_server_with_fastmcp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    import server_fastmcp
    from fastmcp import Client
    from fastmcp.client.transports import StreamableHttpTransport
    from serving import listening, served

    import idjag

    listener, origin = listening()
    resource = f"{origin}/mcp"
    exchange = idjag.Exchange(configuration(origin, resource))
    app = server_fastmcp.server(exchange, resource).http_app()
    issued = exchange.exchange(ACME.id_jag(origin, resource), client_id="f53f191f9311af35")
    async with (
        served(app, listener),
        Client(StreamableHttpTransport(resource, auth=issued.access_token)) as client,
    ):
        said = (await client.call_tool("whoami")).data
    assert said == f"1001 of {ACME.issuer}, in ['eng'], may ['chat.read', 'chat.history']"
