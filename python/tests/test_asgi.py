"""The ASGI application, over real HTTP and by hand."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from company import ACME, CLIENT, GRANT_TYPE, SECRET, basic, configuration
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from serving import listening, served

import idjag
from idjag.asgi import Application

RESOURCE = "https://mcp.chat.example/mcp"


class Serving:
    def __init__(self, origin: str, exchange: idjag.Exchange, http: httpx2.AsyncClient) -> None:
        self.origin, self.exchange, self.http = origin, exchange, http

    def form(self, **more: Any) -> dict[str, Any]:
        id_jag = ACME.id_jag(self.origin, RESOURCE)
        return {"grant_type": GRANT_TYPE, "assertion": id_jag} | more


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    listener, origin = listening()
    exchange = idjag.Exchange(configuration(origin, RESOURCE))
    application = Application(exchange, resources=[RESOURCE])
    async with served(application, listener), httpx2.AsyncClient(base_url=origin) as http:
        yield Serving(origin, exchange, http)


async def test_a_client_with_basic_alone_gets_a_token(serving: Serving) -> None:
    response = await serving.http.post(
        "/token", data=serving.form(), headers={"Authorization": basic(CLIENT, SECRET)}
    )
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    token = response.json()
    who = serving.exchange.verify(token["access_token"], resource=RESOURCE)
    assert who is not None
    assert (who.subject, who.idp, who.groups) == ("1001", ACME.issuer, ["eng"])

    authorized = {"Authorization": basic(CLIENT, SECRET)}
    asked = await serving.http.post("/introspect", data={"token": token["access_token"]}, headers=authorized)
    assert asked.json() == {"active": False}, "this client is not listed"
    back = await serving.http.post("/revoke", data={"token": token["access_token"]}, headers=authorized)
    assert (back.status_code, back.content) == (200, b"")
    assert serving.exchange.verify(token["access_token"], resource=RESOURCE) is None


async def test_what_came_is_what_is_answered(serving: Serving) -> None:
    authorized = {"Authorization": basic(CLIENT, SECRET)}

    async def status(form: Any = None, **more: Any) -> tuple[int, str]:
        more.setdefault("headers", authorized)
        response = await serving.http.post("/token", data=form or serving.form(), **more)
        return response.status_code, response.json()["error"]

    assert await status(headers={}) == (401, "invalid_client")
    twice = [("Authorization", authorized["Authorization"])] * 2
    assert await status(headers=twice) == (400, "invalid_request")
    assert await status(params={"a": "b"}) == (400, "invalid_request")
    assert await status(serving.form(assertion="x" * 65_536)) == (413, "invalid_request")
    assert await status(serving.form(grant_type="password")) == (400, "unsupported_grant_type")
    form = serving.form()
    ok = await serving.http.post("/token", data=form, headers=authorized)
    assert ok.status_code == 200
    assert await status(form) == (400, "invalid_grant")
    wrong = await serving.http.get("/token")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")


async def test_the_documents(serving: Serving) -> None:
    metadata = await serving.http.get("/.well-known/oauth-authorization-server")
    assert metadata.content == serving.exchange.metadata()
    assert metadata.headers["content-type"] == "application/json"
    assert metadata.headers["access-control-allow-origin"] == "*"
    jwks = await serving.http.get(metadata.json()["jwks_uri"].removeprefix(serving.origin))
    assert jwks.json()["keys"]
    resource = await serving.http.get("/.well-known/oauth-protected-resource/mcp")
    assert resource.json()["resource"] == RESOURCE
    head = await serving.http.head("/.well-known/oauth-protected-resource/mcp")
    assert (head.status_code, head.content) == (200, b"")
    assert (await serving.http.post("/jwks")).status_code == 405
    assert (await serving.http.get("/elsewhere")).status_code == 404
    assert (await serving.http.get("/.well-known/oauth-protected-resource")).status_code == 404


async def ask(application: Application, **scope: Any) -> tuple[int, bytes]:
    """One request by hand."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": scope.pop("body", b""), "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    base = {"type": "http", "method": "GET", "path": "/", "headers": [], "scheme": "http"}
    await application(base | scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


async def test_resources_that_were_not_named_are_found_by_their_host() -> None:
    exchange = idjag.Exchange(configuration("https://auth.example", "https://mcp.chat.example/"))
    application = Application(exchange)
    well_known = "/.well-known/oauth-protected-resource"
    host = [(b"host", b"mcp.chat.example")]
    for path in (well_known, well_known + "/"):
        status, body = await ask(application, path=path, headers=host)
        assert status == 200
        assert json.loads(body)["resource"] == "https://mcp.chat.example/"
    assert (await ask(application, path=well_known + "/mcp", headers=host))[0] == 404
    assert (await ask(application, path=well_known, headers=[(b"host", b"\xff evil")]))[0] == 404
    assert (await ask(application, path=well_known))[0] == 404


async def test_an_issuer_with_a_path_has_its_metadata_behind_the_well_known() -> None:
    exchange = idjag.Exchange(configuration("https://a.example/tenant/one/", RESOURCE))
    path = "/.well-known/oauth-authorization-server/tenant/one"
    assert path in Application(exchange).paths
    assert (await ask(Application(exchange), path=path))[0] == 200
    assert (await ask(Application(exchange), path="/tenant/one/token", method="PUT"))[0] == 405


async def test_the_certificate_of_the_tls_extension() -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = x509.CertificateBuilder(
        name, name, ACME.key.public_key(), 1, now, now + datetime.timedelta(days=1)
    ).sign(ACME.key, hashes.SHA256())
    der = certificate.public_bytes(serialization.Encoding.DER)
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    config = configuration("https://auth.example", RESOURCE)
    config["clients"].append(
        {
            "id": "tls",
            "auth": "self_signed_tls_client_auth",
            "certificate_sha256": [hashlib.sha256(der).hexdigest()],
            "connectors": ["chat"],
            "idps": ["*"],
        }
    )
    application = Application(idjag.Exchange(config))
    headers = [(b"content-type", b"application/x-www-form-urlencoded")]

    async def status(chain: Any) -> int:
        id_jag = ACME.id_jag("https://auth.example", RESOURCE, client_id="tls")
        body = f"grant_type={GRANT_TYPE.replace(':', '%3A')}&client_id=tls&assertion={id_jag}".encode()
        tls = {} if chain is None else {"tls": {"client_cert_chain": chain}}
        answer, _ = await ask(
            application, method="POST", path="/token", headers=headers, body=body, extensions=tls
        )
        return answer

    assert await status([pem]) == 200
    assert await status([]) == 401
    assert await status(None) == 401
    assert await status(["no certificate"]) == 401


async def test_in_front_of_another_application() -> None:
    seen: list[str] = []

    async def other(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    application = Application(idjag.Exchange(configuration("https://auth.example", RESOURCE)), other)
    await application({"type": "http", "path": "/else"}, None, None)  # type: ignore[arg-type]
    await application({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    await application({"type": "websocket", "path": "/token"}, None, None)  # type: ignore[arg-type]
    assert seen == ["http", "lifespan", "websocket"]


async def test_a_body_without_end_is_read_up_to_its_bound() -> None:
    exchange = idjag.Exchange(configuration("https://auth.example", RESOURCE))
    application, received, sent = Application(exchange), 0, []

    async def receive() -> Any:
        nonlocal received
        received += 1
        return {"type": "http.request", "body": b"a" * 4096, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/token", "headers": []}
    await application(scope, receive, send)
    assert sent[0]["status"] == 413
    assert received == exchange.max_body_bytes // 4096 + 1


async def test_a_client_that_went_away_is_not_answered() -> None:
    application = Application(idjag.Exchange(configuration("https://auth.example", RESOURCE)))
    messages = [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        raise AssertionError

    scope = {"type": "http", "method": "POST", "path": "/token", "headers": []}
    await application(scope, receive, send)
