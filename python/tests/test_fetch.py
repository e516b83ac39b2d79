"""Keys that are fetched: `discover = True` just works, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from company import CLIENT, GRANT_TYPE, Idp, basic, configuration
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import idjag

OURS, RESOURCE = "https://auth.chat.example", "https://mcp.chat.example/mcp"
METADATA = "/.well-known/openid-configuration"


class Served:
    """An IdP over HTTPS on loopback. `pause` is how long its keys take; `lies`, what it answers at a path instead."""

    def __init__(self, folder: Path) -> None:
        self.pause = 0.0
        self.asked = 0
        self.lies: dict[str, tuple[int, bytes]] = {}
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == METADATA:
                    body = {"issuer": served.idp.issuer, "jwks_uri": f"{served.idp.issuer}/keys"}
                else:
                    served.asked += 1
                    time.sleep(served.pause)
                    body = served.idp.jwks
                status, text = served.lies.get(self.path, (200, json.dumps(body).encode()))
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.authority = folder / "ca.pem"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(self.authority, folder / "key.pem"), folder / "key.pem")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.idp = Idp(f"https://127.0.0.1:{self.server.server_port}")
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def config(self, **fetch: Any) -> dict[str, Any]:
        idp = {
            "issuer": self.idp.issuer,
            "discover": True,
            "local": True,
            "algorithms": ["ES256"],
            "groups": {"claim": "groups"},
        }
        return configuration(OURS, RESOURCE, idps=[idp], fetch={"ca_file": str(self.authority)} | fetch)

    def id_jag(self) -> str:
        return self.idp.id_jag(OURS, RESOURCE)

    def form(self) -> bytes:
        return f"grant_type={GRANT_TYPE.replace(':', '%3A')}&assertion={self.id_jag()}".encode()


def certificate(path: Path, key_path: Path) -> Path:
    """Writes a certificate for 127.0.0.1 that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "an IdP of a test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def test_who_waits_for_an_idp_that_hangs_leaves_threads_for_the_others(tmp_path: Path) -> None:
    for name in ("slow", "fast"):
        (tmp_path / name).mkdir()
    slow, fast = Served(tmp_path / "slow"), Served(tmp_path / "fast")
    slow.pause = 10
    both = tmp_path / "both.pem"
    both.write_text(slow.authority.read_text() + fast.authority.read_text())
    config = fast.config(ca_file=str(both))
    config["idps"] += slow.config()["idps"]
    exchange = idjag.Exchange(config)

    async def ask(of: Served) -> idjag.IssuedToken:
        return await exchange.exchange_async(of.id_jag(), client_id=CLIENT)

    async def morning() -> None:
        assert (await ask(fast)).access_token
        crowd = [asyncio.create_task(ask(slow)) for _ in range(50)]
        await asyncio.sleep(0.2)
        began = time.monotonic()
        for _ in range(20):
            assert (await ask(fast)).access_token
        # Nor does anybody else who needs a thread wait for them.
        await asyncio.to_thread(lambda: None)
        assert time.monotonic() - began < 1
        assert not any(task.done() for task in crowd), "the control: they wait"
        for told in await asyncio.gather(*crowd, return_exceptions=True):
            assert isinstance(told, idjag.Unavailable)

    try:
        asyncio.run(morning())
    finally:
        slow.server.shutdown()
        slow.server.server_close()
        fast.server.shutdown()
        fast.server.server_close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.server.shutdown()
    served.server.server_close()


def test_discover_just_works_and_its_state_is_visible(served: Served) -> None:
    exchange = idjag.Exchange(served.config())
    token = exchange.exchange(served.id_jag(), client_id=CLIENT)
    assert exchange.verify(token.access_token, resource=RESOURCE) is not None
    [keys] = exchange.stats()["keys"]
    assert keys["owner"] == served.idp.issuer
    assert (keys["kind"], keys["state"], keys["source"], keys["last_error"]) == (
        "idp",
        "fresh",
        "network",
        None,
    )
    assert keys["uri"] == f"{served.idp.issuer}/keys"
    assert 0 <= (keys["age_s"] or 0) < 5 < keys["next_s"]
    results = exchange.exchange_many([idjag.Request(served.id_jag(), client_id=CLIENT) for _ in range(100)])
    assert all(isinstance(result, idjag.IssuedToken) for result in results)
    assert served.asked == 1
    other = Idp(served.idp.issuer)
    with pytest.raises(idjag.ExchangeDenied) as denied:
        exchange.exchange(other.id_jag(OURS, RESOURCE), client_id=CLIENT)
    assert denied.value.slug == "signature_invalid"


def test_keys_that_are_not_to_be_had_are_unavailable(served: Served) -> None:
    config = served.config()
    del config["idps"][0]["local"]
    exchange = idjag.Exchange(config)
    with pytest.raises(idjag.Unavailable) as unavailable:
        exchange.exchange(served.id_jag(), client_id=CLIENT)
    assert unavailable.value.slug == "keys_unavailable"
    assert unavailable.value.retry_after >= 1
    [keys] = exchange.stats()["keys"]
    assert keys["state"] == "absent"
    assert "127.0.0.1 is not a public address" in (keys["last_error"] or "")


@pytest.mark.parametrize(
    ("path", "status", "body", "said"),
    [
        (METADATA, 500, b"", "status 500"),
        (
            METADATA,
            200,
            b'{"issuer":"https://idp.example","jwks_uri":"https://127.0.0.1/keys"}',
            "issuer `https://idp.example`",
        ),
        (METADATA, 200, b"<html></html>", "metadata cannot be used"),
        (METADATA, 302, b"", "redirect (302)"),
        ("/keys", 302, b"", "redirect (302)"),
        ("/keys", 200, b'{"keys":[]}', "key set cannot be used"),
        ("/keys", 200, b" " * ((1 << 20) + 1), "longer than 1 MiB"),
    ],
)
def test_what_fails_or_lies_is_told(served: Served, path: str, status: int, body: bytes, said: str) -> None:
    served.lies[path] = status, body
    exchange = idjag.Exchange(served.config())
    with pytest.raises(idjag.Unavailable) as unavailable:
        exchange.exchange(served.id_jag(), client_id=CLIENT)
    assert unavailable.value.slug == "keys_unavailable"
    [keys] = exchange.stats()["keys"]
    assert (keys["state"], said in (keys["last_error"] or "")) == ("absent", True), keys
    assert served.asked == (path == "/keys"), "a redirect was followed"
    served.lies.clear()
    assert idjag.Exchange(served.config()).exchange(served.id_jag(), client_id=CLIENT).access_token


def test_other_threads_run_while_one_waits_for_keys(served: Served) -> None:
    served.pause = 1.0
    exchange = idjag.Exchange(served.config())
    counted, done = 0, False

    def count() -> None:
        nonlocal counted
        while not done:
            counted += 1
            time.sleep(0.01)

    counting = threading.Thread(target=count)
    counting.start()
    began = time.monotonic()
    exchange.exchange(served.id_jag(), client_id=CLIENT)
    waited = time.monotonic() - began
    done = True
    counting.join()
    assert 0.9 < waited < 2.5
    assert counted > 30, "the interpreter was held while keys were waited for"


def test_a_loop_goes_on_while_keys_are_waited_for(served: Served) -> None:
    served.pause = 1.0

    async def run() -> tuple[float, int]:
        exchange = idjag.Exchange(served.config())
        longest, last = 0.0, time.monotonic()
        response = asyncio.ensure_future(exchange.token_endpoint_async(served.form(), authorization=basic()))
        token = asyncio.ensure_future(exchange.exchange_async(served.id_jag(), client_id=CLIENT))
        while not (response.done() and token.done()):
            await asyncio.sleep(0.005)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        assert isinstance(token.result(), idjag.IssuedToken)
        return longest, response.result().status

    longest, status = asyncio.run(run())
    assert status == 200
    assert longest < 0.5, "the loop waited for keys"


def test_the_last_good_keys_are_kept_beside_the_configuration(served: Served, tmp_path: Path) -> None:
    config = served.config(cache=str(tmp_path / "kept"))
    idjag.Exchange(config).exchange(served.id_jag(), client_id=CLIENT)
    deadline = time.monotonic() + 5
    while not list(tmp_path.glob("kept/*.json")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    served.server.shutdown()
    again = idjag.Exchange(config)
    again.exchange(served.id_jag(), client_id=CLIENT)
    assert again.stats()["keys"][0]["source"] == "cache"
