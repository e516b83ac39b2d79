"""What `test_waiting.py` runs, each in a process of its own: `waiting_scenarios.py SCENARIO LOOP FOLDER`.

The disk of that process is `disk.c`: it waits while `disk_waits` is set, and fails while `disk_fails` is.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import uvloop
from company import ACME, CLIENT, GRANT_TYPE, POSTING, POSTING_SECRET, configuration

import idjag
from idjag._waiting import Waiting
from idjag.asgi import Application

ISSUER, RESOURCE = "https://auth.chat.example/", "https://mcp.chat.example/"
FORM = [(b"content-type", b"application/x-www-form-urlencoded")]


def disk(name: str, *, on: bool) -> None:
    ctypes.c_int.in_dll(ctypes.CDLL(None), f"disk_{name}").value = on


class Server:
    """An exchange that keeps a record in `folder`."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.folder = folder
        audit = {"path": str(folder), **more}
        self.exchange = idjag.Exchange(configuration(ISSUER, RESOURCE, audit=audit))

    def one(self) -> Awaitable[idjag.IssuedToken]:
        return self.exchange.exchange_async(ACME.id_jag(ISSUER, RESOURCE), client_id=CLIENT)

    def start(self) -> asyncio.Task[idjag.IssuedToken]:
        return asyncio.ensure_future(self.one())

    def granted(self) -> int:
        texts = [path.read_text() for path in self.folder.glob("*/*.jsonl")]
        found = [json.loads(line) for text in texts for line in text.splitlines()]
        return sum(line.get("decision") == "allow" for line in found)


async def turns(count: int = 50) -> None:
    """The loop goes round so often: it would not, if something in it waited for the disk."""
    for _ in range(count):
        await asyncio.sleep(0.001)


def form(assertion: str) -> bytes:
    fields = {"grant_type": GRANT_TYPE, "client_id": POSTING, "client_secret": POSTING_SECRET}
    return "&".join(
        f"{name}={quote(text)}" for name, text in (fields | {"assertion": assertion}).items()
    ).encode()


async def through_asgi(application: Application, body: bytes) -> int:
    scope = {"type": "http", "method": "POST", "path": "/token", "query_string": b"", "headers": FORM}
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    await application(scope, receive, send)
    return statuses[0]


async def no_token_before_its_line_is_on_disk(folder: Path) -> None:
    server = Server(folder)
    application = Application(server.exchange)
    disk("waits", on=True)
    tasks = [server.start() for _ in range(3)]
    answers = [
        asyncio.create_task(through_asgi(application, form(ACME.id_jag(ISSUER, RESOURCE, client_id=POSTING))))
        for _ in range(3)
    ]
    await turns()
    assert not any(task.done() for task in [*tasks, *answers])
    # What needs no disk is answered meanwhile, and so are refusals.
    assert await through_asgi(application, b"grant_type=nonsense") == 400
    refused = await asyncio.gather(
        server.exchange.exchange_async("x", client_id=CLIENT), return_exceptions=True
    )
    assert isinstance(refused[0], idjag.ExchangeDenied)
    disk("waits", on=False)
    tokens = await asyncio.gather(*tasks)
    assert await asyncio.gather(*answers) == [200] * 3
    assert server.granted() == 6
    assert all(server.exchange.verify(token.access_token, resource=RESOURCE) for token in tokens)
    assert threading.active_count() == 1, "no thread for each request"


async def who_is_cancelled_takes_nothing_with_them(folder: Path) -> None:
    server = Server(folder)
    disk("waits", on=True)
    first, last = server.start(), server.start()
    assertion = ACME.id_jag(ISSUER, RESOURCE)
    cancelled = asyncio.ensure_future(server.exchange.exchange_async(assertion, client_id=CLIENT))
    behind = server.start()
    await turns()
    for task in (cancelled, last):
        task.cancel()
    await turns()
    assert cancelled.cancelled()
    assert last.cancelled()
    assert not first.done()
    disk("waits", on=False)
    await asyncio.gather(first, behind)
    assert server.granted() == 4, "the lines of those who went away are there"
    again = await asyncio.gather(
        server.exchange.exchange_async(assertion, client_id=CLIENT), return_exceptions=True
    )
    assert isinstance(again[0], idjag.ExchangeDenied)
    assert again[0].slug == "replayed"


async def a_disk_that_fails_is_503_and_nobody_waits_forever(folder: Path) -> None:
    server = Server(folder)
    application = Application(server.exchange)
    disk("waits", on=True)
    tasks = [server.start() for _ in range(2)]
    answer = asyncio.create_task(
        through_asgi(application, form(ACME.id_jag(ISSUER, RESOURCE, client_id=POSTING)))
    )
    await turns()
    disk("fails", on=True)
    disk("waits", on=False)
    refused = await asyncio.gather(*tasks, return_exceptions=True)
    assert [error.slug for error in refused if isinstance(error, idjag.Unavailable)] == [
        "record_unavailable"
    ] * 2
    assert await answer == 503
    disk("fails", on=False)
    while True:
        try:
            await server.one()
            break
        except idjag.Unavailable:
            await asyncio.sleep(0.1)


async def one_write_is_one_wake_up(folder: Path) -> None:
    server = Server(folder)
    woken = Waiting._woken
    count = 0

    def counted(waiting: Waiting) -> None:
        nonlocal count
        count += 1
        woken(waiting)

    disk("waits", on=True)
    with mock.patch.object(Waiting, "_woken", counted):
        tasks = [server.start() for _ in range(30)]
        await turns()
        disk("waits", on=False)
        await asyncio.gather(*tasks)
    # What was queued before the writing thread looked, and the rest.
    assert 1 <= count <= 2
    assert server.granted() == 30


async def weaker_records_are_not_waited_for(folder: Path) -> None:
    for number, durability in enumerate(["async", {"group_ms": 1000}]):
        server = Server(folder / str(number), durability=durability)
        disk("waits", on=True)
        await server.one()
        disk("waits", on=False)
        del server


SCENARIOS: dict[str, Callable[[Path], Awaitable[None]]] = {
    scenario.__name__: scenario
    for scenario in (
        no_token_before_its_line_is_on_disk,
        who_is_cancelled_takes_nothing_with_them,
        a_disk_that_fails_is_503_and_nobody_waits_forever,
        one_write_is_one_wake_up,
        weaker_records_are_not_waited_for,
    )
}


def every_loop_is_told_of_its_own(new_loop: Callable[[], asyncio.AbstractEventLoop], folder: Path) -> None:
    """Several loops in threads at once, and one after the other: nothing of them stays behind."""
    server = Server(folder)

    async def five() -> None:
        for _ in range(5):
            await server.one()

    async def forty() -> None:
        await asyncio.gather(*(five() for _ in range(8)))

    def run() -> None:
        loop = new_loop()
        loop.run_until_complete(forty())
        loop.close()

    run()
    files = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    run()
    assert server.granted() == 32 * 40
    assert len(server.exchange._waiting) <= 4
    assert len(os.listdir("/proc/self/fd")) <= files + 8


if __name__ == "__main__":
    scenario, loop, where = sys.argv[1:]
    new_loop = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[loop]
    if scenario == every_loop_is_told_of_its_own.__name__:
        every_loop_is_told_of_its_own(new_loop, Path(where))
    else:
        running = new_loop()
        running.run_until_complete(SCENARIOS[scenario](Path(where)))
        running.close()
