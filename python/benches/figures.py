"""`make bench-python`: what the Python package costs beside what people use today, in one run.

In process first, the same ID-JAGs through each: processor time, medians of blocks that take turns. Then over HTTP, the
server on one core and the load on the other: what came through in a second, and the processor time of the server, which
is steadier where the machine is shared. The figures of the README are copied from here.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jwt
import peers
import psutil
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from mcp.server.auth.provider import IdentityAssertionParams
from mcp.shared.auth import JWT_BEARER_GRANT_TYPE

import idjag
from idjag.asgi import Application

LOAD = Path(__file__).parents[2] / "target" / "release" / "load"
BLOCK, BLOCKS, WAVE, REQUESTS = 100, 30, 14_000, 12_000
# Servers that are measured with a record and without one, in turns.
RECORDED = 5


def configuration(idp: rsa.RSAPublicKey) -> dict[str, Any]:
    jwk = json.loads(RSAAlgorithm.to_jwk(idp)) | {"kid": "one", "alg": "RS256", "use": "sig"}
    return {
        "issuer": peers.ISSUER,
        "audit": "off",
        "tokens": {"keys": "ephemeral"},
        "replay": {"cold_start": "accept"},
        "limits": {"max_lifetime_s": 3600},
        "idps": [
            {
                "issuer": peers.IDP,
                "jwks": {"keys": [jwk]},
                "groups": {"claim": "groups"},
                "max_lifetime_s": 3600,
            }
        ],
        "clients": [
            {
                "id": peers.CLIENT,
                "auth": "client_secret_post",
                "secret_sha256": hashlib.sha256(peers.SECRET.encode()).hexdigest(),
                "connectors": ["*"],
                "idps": ["*"],
            }
        ],
        "connectors": [
            {
                "id": "chat",
                "resource": peers.RESOURCE,
                "scopes": ["chat.read", "chat.history"],
                "state": "enabled",
                "owner": "o@acme.example",
                "review_by": "2999-01-01",
                "grants": [{"groups": ["eng"], "issuer": peers.IDP, "scopes": ["chat.read", "chat.history"]}],
            }
        ],
    }


def id_jags(key: rsa.RSAPrivateKey, count: int) -> list[str]:
    now = int(time.time())
    claims = {
        "iss": peers.IDP,
        "aud": peers.ISSUER,
        "client_id": peers.CLIENT,
        "resource": peers.RESOURCE,
        "scope": "chat.read chat.history",
        "groups": ["all", "eng"],
        # FastMCP allows five minutes at most, and a run may take longer than that to sign.
        "iat": now,
        "exp": now + 300,
    }
    headers = {"typ": peers.TYP, "kid": "one"}
    return [
        jwt.encode(
            claims | {"sub": f"00u{number:017}", "jti": secrets.token_urlsafe(16)},
            key,
            "RS256",
            headers=headers,
        )
        for number in range(count)
    ]


def turns(operations: dict[str, Callable[[str], object]], inputs: list[str]) -> dict[str, float]:
    """Microseconds for each operation: medians over blocks, in which they take turns on the same inputs."""
    times: dict[str, list[float]] = {name: [] for name in operations}
    for start in range(0, len(inputs), BLOCK):
        block = inputs[start : start + BLOCK]
        for name, operation in operations.items():
            began = time.process_time()
            for text in block:
                operation(text)
            times[name].append((time.process_time() - began) / len(block) * 1e6)
    return {name: statistics.median(found) for name, found in times.items()}


def row(name: str, figure: str, wanted: str = "") -> None:
    print(f"{name:<66}{figure:>16}{wanted:>16}".rstrip(), flush=True)


def in_process(key: rsa.RSAPrivateKey) -> None:
    config = configuration(key.public_key())
    loop = asyncio.new_event_loop()
    validator = peers.fastmcp_proxy(key.public_key())._identity_assertion_validator
    assert validator is not None

    def theirs(text: str) -> object:
        # The coroutine by hand: no event loop is counted against it.
        coroutine = validator.validate(text, client_id=peers.CLIENT, resource_url=peers.RESOURCE)
        try:
            coroutine.send(None)
        except StopIteration as done:
            return done.value
        raise RuntimeError("it waited")

    pattern, exchange = peers.SdkPattern(key.public_key()), idjag.Exchange(config)
    texts = id_jags(key, BLOCK * BLOCKS)
    tokens: list[str] = []
    found = turns(
        {
            "ours": lambda text: tokens.append(exchange.exchange(text, client_id=peers.CLIENT).access_token),
            "sdk": lambda text: pattern.exchange(text, peers.CLIENT),
            "fastmcp": theirs,
        },
        texts,
    )
    row("Exchange.exchange, RS256 -> EdDSA", f"{found['ours']:.1f} us")
    row("  the SDK's steps over PyJWT, RS256 -> EdDSA", f"{found['sdk']:.1f} us")
    row("    times ours", f"{found['sdk'] / found['ours']:.2f}", ">= 5")
    row("  FastMCP's validation alone", f"{found['fastmcp']:.1f} us")
    row("    times ours", f"{found['fastmcp'] / found['ours']:.2f}", ">= 3.5")

    def refused(_: str) -> None:
        with contextlib.suppress(idjag.ExchangeDenied):
            exchange.exchange("", client_id=peers.CLIENT)

    # What the engine does for it is next to nothing: the rest is the way there and back.
    call = turns({"call": refused}, texts)["call"]
    row("  a call that is refused at once, its exception included", f"{call:.2f} us", "<= 2")

    at_the_endpoint(key, exchange)

    wave = id_jags(key, WAVE)
    requests = [idjag.Request(text, client_id=peers.CLIENT) for text in wave]
    slow, fast, granted = [], [], 0
    # By the clock, since it is about two cores; each wave three times, on an engine of its own.
    for _ in range(3):
        alone = idjag.Exchange(config)
        began = time.perf_counter()
        for text in wave:
            alone.exchange(text, client_id=peers.CLIENT)
        slow.append(time.perf_counter() - began)
        together = idjag.Exchange(config)
        began = time.perf_counter()
        answers = together.exchange_many(requests)
        fast.append(time.perf_counter() - began)
        granted = sum(isinstance(answer, idjag.IssuedToken) for answer in answers)
    many = statistics.median(fast)
    row(f"exchange_many, a wave of {WAVE:,}, {granted:,} granted", f"{WAVE / many:,.0f}/s")
    row("  times one by one", f"{statistics.median(slow) / many:.2f}", ">= 1.8")

    validator._jti_cache.clear()
    validator._jti_cache_max_size = 10_000
    accepted = 0
    logging.disable(logging.CRITICAL)
    for text in wave:
        try:
            theirs(text)
            accepted += 1
        except Exception:
            break
    logging.disable(logging.NOTSET)
    row("  FastMCP accepts of the same wave, before it refuses", f"{accepted:,}")

    proxy = peers.fastmcp_proxy(key.public_key())
    proxy.set_mcp_path("/mcp")
    client = loop.run_until_complete(peers.registered(proxy))
    params = IdentityAssertionParams(assertion=id_jags(key, 1)[0])
    their_token = loop.run_until_complete(proxy.exchange_identity_assertion(client, params)).access_token

    async def verify_theirs(count: int) -> float:
        assert await proxy.verify_token(their_token) is not None
        began = time.process_time()
        for _ in range(count):
            await proxy.verify_token(their_token)
        return (time.process_time() - began) / count * 1e6

    seen = turns({"seen": lambda text: exchange.verify(tokens[0], resource=peers.RESOURCE)}, texts)["seen"]
    their_seen = loop.run_until_complete(verify_theirs(2000))
    row("verify, a token seen before", f"{seen:.2f} us")
    row("  FastMCP's verify_token of its own token", f"{their_seen:.1f} us")
    row("    times ours", f"{their_seen / seen:.1f}", ">= 20")
    fresh = idjag.Exchange(config)
    ours = [fresh.exchange(text, client_id=peers.CLIENT).access_token for text in id_jags(key, 1000)]
    other = [pattern.exchange(text, peers.CLIENT) for text in id_jags(key, 1000)]
    pairs = dict(zip(ours, other, strict=True))
    first = turns(
        {
            "ours": lambda text: fresh.verify(text, resource=peers.RESOURCE),
            "theirs": lambda text: pattern.verify(pairs[text]),
        },
        ours,
    )
    row("verify, a token seen for the first time", f"{first['ours']:.1f} us")
    row("  PyJWT's decode of the SDK's token, both EdDSA", f"{first['theirs']:.1f} us")
    row("    times ours", f"{first['theirs'] / first['ours']:.2f}", ">= 3.5")


def at_the_endpoint(key: rsa.RSAPrivateKey, exchange: idjag.Exchange) -> None:
    """What the endpoint and ASGI add to an exchange, without a server: what over HTTP is not uvicorn's."""
    headers = [
        (b"host", b"127.0.0.1:8000"),
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"content-length", b"1000"),
        (b"connection", b"keep-alive"),
    ]
    scope = {"type": "http", "method": "POST", "path": "/token", "query_string": b"", "headers": headers}
    scope["client"] = ("127.0.0.1", 50_000)
    asgi = Application(exchange)
    statuses: list[int] = []

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 200))

    def through_asgi(body: str) -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": body.encode(), "more_body": False}

        coroutine = asgi(dict(scope), receive, send)
        with contextlib.suppress(StopIteration):
            coroutine.send(None)

    def directly(body: str) -> None:
        answer = exchange.token_endpoint(body.encode(), headers=headers, peer="127.0.0.1")
        statuses.append(answer.status)

    bodies = [_form("ours", text) for text in id_jags(key, 2 * BLOCK * (BLOCKS // 2))]
    half = len(bodies) // 2
    pairs = dict(zip(bodies[:half], bodies[half:], strict=True))
    found = turns({"endpoint": directly, "asgi": lambda body: through_asgi(pairs[body])}, bodies[:half])
    assert set(statuses) == {200}
    row("Exchange.token_endpoint: form, client, exchange", f"{found['endpoint']:.1f} us")
    row("  idjag.asgi with that, without a server", f"{found['asgi']:.1f} us")


def _form(server: str, assertion: str) -> str:
    """The body of a request; clients of FastMCP have no secret."""
    form = {"grant_type": JWT_BEARER_GRANT_TYPE, "client_id": peers.CLIENT, "assertion": assertion}
    if server != "fastmcp":
        form["client_secret"] = peers.SECRET
    return urlencode(form, quote_via=quote)


def application(name: str) -> Any:
    """One of the servers, in the process that serves it."""
    folder = Path(os.environ["IDJAG_BENCH"])
    key = serialization.load_pem_private_key((folder / "idp.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    config = configuration(key.public_key())
    if name == "recorded":
        config["audit"] = {"path": str(folder / "audit")}
    exchange = idjag.Exchange(config)
    if name in ("ours", "recorded"):
        return Application(exchange)
    if name == "sdk":
        return peers.sdk(peers.SdkPattern(key.public_key()), exchange)
    if name == "fastmcp":
        proxy = peers.fastmcp_proxy(key.public_key())
        asyncio.get_event_loop().create_task(peers.registered(proxy))
        return peers.fastmcp_server(proxy)

    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await receive()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    return nothing


def serve(name: str) -> None:
    import uvicorn

    logging.disable(logging.CRITICAL)

    async def main() -> None:
        config = uvicorn.Config(
            application(name), port=0, log_level="error", access_log=False, http="httptools", ws="none"
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        print(server.servers[0].sockets[0].getsockname()[1], flush=True)
        await task

    import uvloop

    uvloop.run(main())


def over_http(key: rsa.RSAPrivateKey) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "idp.pem").write_bytes(_pem(key))
        found: dict[str, tuple[float, float]] = {}
        for server, path, count in _servers():
            bodies = folder / "bodies"
            bodies.write_text("".join(f"{_form(server, text)}\n" for text in id_jags(key, count)))
            found[server] = _measured(server, path, bodies, folder)
        print(
            f"\n{'POST /token, uvicorn on one core, 16 connections':<58}{'a second':>12}{'processor':>12}",
            flush=True,
        )
        names = {
            "ours": "idjag.asgi",
            "fastmcp": "FastMCP, store in memory",
            "sdk": "the SDK's handler, EdDSA",
            "nothing": "an ASGI application that does nothing",
        }
        for server, called in names.items():
            rate, processor = found[server]
            print(f"{called:<58}{rate:>12,.0f}{processor:>9.0f} us", flush=True)
        for server, wanted in (("fastmcp", 8), ("sdk", 5)):
            rate, processor = (
                mine / theirs for mine, theirs in zip(found["ours"], found[server], strict=True)
            )
            times = f"{rate:>12.1f}{1 / processor:>12.1f}"
            print(f"{'  idjag.asgi, times ' + names[server]:<58}{times}   >= {wanted}", flush=True)


def with_a_record(key: rsa.RSAPrivateKey) -> None:
    """The same server with a record in `sync` and without one: fresh processes on the same requests, in turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "idp.pem").write_bytes(_pem(key))
        bodies = folder / "bodies"
        bodies.write_text("".join(f"{_form('ours', text)}\n" for text in id_jags(key, REQUESTS)))
        found: dict[str, list[tuple[float, float]]] = {"ours": [], "recorded": []}
        for turn in range(RECORDED):
            for server in sorted(found, reverse=turn % 2 == 1):
                shutil.rmtree(folder / "audit", ignore_errors=True)
                found[server].append(_measured(server, "/token", bodies, folder, connections=64))
        lines = (folder / "audit" / "0").glob("*.jsonl")
        assert sum(text.count("allow") for text in map(Path.read_text, lines)) == REQUESTS
    print(
        f"\n{'POST /token, uvicorn on one core, 64 connections':<58}{'a second':>12}{'processor':>12}",
        flush=True,
    )
    names = {"ours": "idjag.asgi, no record", "recorded": "idjag.asgi, a record in `sync`"}
    rates = {server: [rate for rate, _ in runs] for server, runs in found.items()}
    for server, called in names.items():
        processor = statistics.median(processor for _, processor in found[server])
        print(f"{called:<58}{statistics.median(rates[server]):>12,.0f}{processor:>9.0f} us", flush=True)
    share = statistics.median(
        recorded / ours for ours, recorded in zip(rates["ours"], rates["recorded"], strict=True)
    )
    print(f"{'  share of that without one':<58}{share:>12.2f}{'':>12}   >= 0.8", flush=True)


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, plain)


def _servers() -> Iterator[tuple[str, str, int]]:
    yield "nothing", "/token", REQUESTS
    yield "ours", "/token", REQUESTS
    yield "sdk", "/token", REQUESTS // 6
    yield "fastmcp", "/token", REQUESTS // 6


def _measured(
    server: str, path: str, bodies: Path, folder: Path, connections: int = 16
) -> tuple[float, float]:
    """Requests in a second, and the server's processor time for one in microseconds."""
    process = subprocess.Popen(
        ["taskset", "-c", "0", sys.executable, __file__, server],
        env=os.environ | {"IDJAG_BENCH": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        began = psutil.Process(process.pid).cpu_times()
        command = ["taskset", "-c", "1", str(LOAD), f"127.0.0.1:{port}", path, str(bodies), str(connections)]
        answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        ended = psutil.Process(process.pid).cpu_times()
    finally:
        process.kill()
        process.wait()
    if answer["ok"] != answer["requests"]:
        raise SystemExit(f"{server}: {answer}")
    processor = ended.user + ended.system - began.user - began.system
    return float(answer["per_second"]), processor / answer["requests"] * 1e6


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(sys.argv[1])
    else:
        private = rsa.generate_private_key(65537, 2048)
        print(
            f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, medians of blocks of {BLOCK} that take turns\n"
        )
        row("figure", "measured", "target")
        in_process(private)
        over_http(private)
        with_a_record(private)
