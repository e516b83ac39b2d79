"""Clients that are known by a document at their URL, which the host fetches."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
import weakref
from typing import Any
from urllib.parse import urlencode

import pytest
from company import ACME, GRANT_TYPE, configuration

import idjag

ISSUER, RESOURCE = "https://auth.chat.example", "https://mcp.chat.example/mcp"
URL = "https://client.example/app.json"
DOCUMENT = {
    "client_id": URL,
    "client_name": "A client of a test",
    "redirect_uris": ["https://client.example/back"],
    "token_endpoint_auth_method": "none",
    "grant_types": [GRANT_TYPE],
}


def known_by_documents() -> dict[str, Any]:
    origins = {
        "origins": ["https://client.example"],
        "connectors": ["chat"],
        "idps": ["*"],
        "auth": ["none"],
    }
    return configuration(ISSUER, RESOURCE, client_documents=origins)


def form() -> bytes:
    id_jag = ACME.id_jag(ISSUER, RESOURCE, client_id=URL)
    return urlencode({"grant_type": GRANT_TYPE, "assertion": id_jag, "client_id": URL}).encode()


@pytest.mark.parametrize("body", [json.dumps(DOCUMENT), json.dumps(DOCUMENT).encode()], ids=type)
def test_what_the_host_gives_is_what_counts(body: str | bytes) -> None:
    asked: list[str] = []

    def fetch(url: str) -> str | bytes:
        asked.append(url)
        return body

    exchange = idjag.Exchange(known_by_documents(), client_documents=fetch)
    answer = exchange.token_endpoint(form())
    assert answer.status == 200, answer.slug
    who = exchange.verify(json.loads(answer.body)["access_token"], resource=RESOURCE)
    assert who is not None
    assert (who.client_id, asked) == (URL, [URL])
    assert (
        exchange.token_endpoint(b"grant_type=x&client_id=https%3A%2F%2Fclient.example%2Fapp.json").status
        == 400
    )
    assert asked == [URL], "only for an assertion that would be granted"


def test_nothing_and_no_answer_are_two_things(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: raised.append(repr(what.exc_value)))
    given: dict[str, Any] = {}

    def fetch(url: str) -> Any:
        return given[url]

    exchange = idjag.Exchange(known_by_documents(), client_documents=fetch)
    answer = exchange.token_endpoint(form())
    assert (answer.status, answer.slug) == (503, "client_document_unavailable")
    assert raised == [f"KeyError({URL!r})"]
    given[URL] = 7
    assert exchange.token_endpoint(form()).status == 503
    assert raised[1].startswith("TypeError(")
    given[URL] = None
    answer = exchange.token_endpoint(form())
    assert (answer.status, answer.slug) == (401, "client_document_missing")
    given[URL] = "{"
    assert exchange.token_endpoint(form()).slug == "client_document_invalid"
    assert len(raised) == 2
    # Without the host's function there is no answer either.
    assert idjag.Exchange(known_by_documents()).token_endpoint(form()).status == 503
    with pytest.raises(TypeError):
        idjag.Exchange(known_by_documents(), client_documents="https://x")  # type: ignore[arg-type]


async def test_the_loop_does_not_wait_for_a_document() -> None:
    let_go = threading.Event()
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def fetch(url: str) -> str:
        loop.call_soon_threadsafe(begun.set)
        # Only the loop can set it: were it held up, this would give up.
        assert let_go.wait(20)
        return json.dumps(DOCUMENT)

    exchange = idjag.Exchange(known_by_documents(), client_documents=fetch)
    waiting = asyncio.create_task(exchange.token_endpoint_async(form()))
    await begun.wait()
    let_go.set()
    assert (await waiting).status == 200


def test_a_circle_through_it_is_collected() -> None:
    class Host:
        exchange: idjag.Exchange

        def __call__(self, url: str) -> None:
            return None

    host = Host()
    host.exchange = idjag.Exchange(known_by_documents(), client_documents=host)
    gone = weakref.ref(host.exchange)
    del host
    gc.collect()
    assert gone() is None
