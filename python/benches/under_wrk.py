"""`make bench-python`: the token endpoint in C (`ffi/examples/token_server.c`) beside FastMCP's, under wrk, in one run.

The server on one core, wrk on the other, 16 connections, each request an ID-JAG that the server has not seen (RS256).
They take turns; a server is started anew for each, so that the same ID-JAGs are fresh to it. What is printed are
medians over the turns: what came through in a second, p50, p99, and the server's processor time for a request, which
is steadier where the machine is shared.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlencode

import figures
import peers
import psutil
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from mcp.shared.auth import JWT_BEARER_GRANT_TYPE

SERVER = Path(__file__).parents[2] / "target" / "bench-server" / "token_server"
SCRIPT = Path(__file__).with_name("under_wrk.lua")
TURNS, SECONDS, CONNECTIONS = 5, 2, 16
# More than a server gets done in a turn; one that runs out of them fails.
COUNTS = {"token_server": 40_000 * SECONDS, "FastMCP": 4_000 * SECONDS}


def signed(pem: bytes, count: int) -> list[str]:
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return figures.id_jags(key, count)


def bodies(pem: bytes) -> list[str]:
    """As many ID-JAGs as the fastest needs, signed on all cores."""
    with ProcessPoolExecutor() as pool:
        parts = [pool.submit(signed, pem, 1_000) for _ in range(max(COUNTS.values()) // 1_000)]
        return [text for part in parts for text in part.result()]


@contextlib.contextmanager
def started(name: str, folder: Path) -> Iterator[tuple[str, int]]:
    """The server on the first core: its origin and its process."""
    if name == "FastMCP":
        command = [sys.executable, figures.__file__, "fastmcp"]
    else:
        command = [str(SERVER), str(folder / "idjag.json"), "0", "1"]
    process = subprocess.Popen(
        ["taskset", "-c", "0", *command],
        env=os.environ | {"IDJAG_BENCH": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        # The one says its port, the other its origin.
        port = process.stdout.readline().strip().rpartition(":")[2]
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.kill()
        process.wait()


def measured(name: str, folder: Path) -> dict[str, float]:
    with started(name, folder) as (origin, pid):
        began = psutil.Process(pid).cpu_times()
        wrk = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(SCRIPT), f"{origin}/token"]
        run = subprocess.run(
            ["taskset", "-c", "1", *wrk],
            env=os.environ | {"BODIES": str(folder / name)},
            capture_output=True,
            text=True,
            check=True,
        )
        ended = psutil.Process(pid).cpu_times()
    found: dict[str, float] = json.loads(run.stderr)
    if found["failed"] or found["requests"] > COUNTS[name]:
        raise SystemExit(f"{name}: {run.stderr}{run.stdout}")
    spent = ended.user + ended.system - began.user - began.system
    return found | {"processor_us": spent / found["requests"] * 1e6}


def main() -> None:
    missing = [tool for tool in ("wrk", "taskset") if not shutil.which(tool)]
    if missing or not SERVER.exists():
        what = ", ".join(missing) or "target/bench-server/token_server"
        print(
            f"token_server is skipped: {what} is missing (Debian: wrk util-linux libmicrohttpd-dev pkg-config)"
        )
        return
    key = rsa.generate_private_key(65537, 2048)
    pem = figures._pem(key)
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        (folder / "idp.pem").write_bytes(pem)
        (folder / "idjag.json").write_text(json.dumps(figures.configuration(key.public_key())))
        began = time.time()
        texts = bodies(pem)
        for name, count in COUNTS.items():
            form = {"grant_type": JWT_BEARER_GRANT_TYPE, "client_id": peers.CLIENT}
            if name != "FastMCP":
                form["client_secret"] = peers.SECRET
            head = urlencode(form, quote_via=quote)
            (folder / name).write_text("".join(f"{head}&assertion={text}\n" for text in texts[:count]))
        turns = [{name: measured(name, folder) for name in COUNTS} for _ in range(TURNS)]
        if time.time() - began > 300:
            raise SystemExit("the ID-JAGs expired on the way: the machine is too busy for this")
    print(
        f"\nPOST /token, one core, wrk on the other, {CONNECTIONS} connections, "
        f"medians of {TURNS} turns of {SECONDS} s\n"
        f"{'':<24}{'a second':>12}{'p50':>12}{'p99':>12}{'processor':>14}"
    )
    for name in COUNTS:
        rate, p50, p99, processor = (
            statistics.median(turn[name][figure] for turn in turns)
            for figure in ("per_second", "p50_us", "p99_us", "processor_us")
        )
        print(f"{name:<24}{rate:>12,.0f}{p50:>9,.0f} us{p99:>9,.0f} us{processor:>11,.0f} us")
    times, processor = (
        statistics.median(turn["token_server"][figure] / turn["FastMCP"][figure] for turn in turns)
        for figure in ("per_second", "processor_us")
    )
    print(f"{'  times FastMCP':<24}{times:>12.1f}{'':>24}{1 / processor:>14.1f}   >= 12")


if __name__ == "__main__":
    main()
