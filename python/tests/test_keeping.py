"""What the host keeps itself: which assertions were used, and the record."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
import weakref
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from company import ACME, CLIENT, GRANT_TYPE, basic, configuration

import idjag

ISSUER, RESOURCE = "https://auth.chat.example/", "https://mcp.chat.example/"


class Table:
    """A store as a host would write one."""

    def __init__(self) -> None:
        self.held: dict[bytes, int] = {}
        self.lock = threading.Lock()
        self.calls: list[int] = []
        self.dies_after = 1_000_000

    def claim(self, keys: list[bytes], expires_at: list[int], /) -> list[bool | None]:
        assert all(type(key) is bytes and len(key) == 16 for key in keys)
        assert len(keys) == len(expires_at)
        with self.lock:
            self.calls.append(len(keys))
            answers: list[bool | None] = []
            for key, expires in zip(keys, expires_at, strict=True):
                if len(self.held) >= self.dies_after:
                    answers.append(None)
                else:
                    answers.append(key not in self.held)
                    self.held.setdefault(key, expires)
            return answers

    def seen(self, key: bytes) -> bool:
        return key not in self.held


def engine(**host: Any) -> idjag.Exchange:
    return idjag.Exchange(configuration(ISSUER, RESOURCE), **host)


def id_jag() -> str:
    return ACME.id_jag(ISSUER, RESOURCE)


def slug(exchange: idjag.Exchange, assertion: str) -> str:
    try:
        exchange.exchange(assertion, client_id=CLIENT)
    except (idjag.ExchangeDenied, idjag.Unavailable) as refused:
        return refused.slug
    return "granted"


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    caught: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: caught.append(told.exc_value))
    return caught


def test_an_assertion_is_used_once_whichever_engine_it_comes_to() -> None:
    table = Table()
    one, other = engine(replay=table), engine(replay=table)
    assertion = id_jag()
    assert slug(one, assertion) == "granted"
    assert slug(other, assertion) == "replayed"
    assert slug(one, assertion) == "replayed"
    [expires] = table.held.values()
    # `exp`, and twice the leeway.
    assert expires > 300 + 60
    assert one.stats()["replay"] == {"entries": 0, "bytes": 0, "max_bytes": 0}


def test_a_wave_is_claimed_in_batches_and_a_store_that_dies_grants_no_more() -> None:
    table = Table()
    table.dies_after = 150
    exchange = engine(replay=table)
    texts = [id_jag() for _ in range(100)]
    requests = [idjag.Request(text, client_id=CLIENT) for text in texts * 2]
    requests += [idjag.Request(id_jag(), client_id=CLIENT) for _ in range(100)]
    results = exchange.exchange_many(requests)
    granted = [result for result in results if isinstance(result, idjag.IssuedToken)]
    assert len(granted) == 150
    assert [result.slug for result in results[100:200] if not isinstance(result, idjag.IssuedToken)] == [
        "replayed"
    ] * 100
    assert all(
        isinstance(result, idjag.Unavailable) and result.slug == "replay_unavailable"
        for result in results[250:]
    )
    assert len(table.calls) == 5


def test_one_token_on_eight_threads() -> None:
    table = Table()
    exchanges = [engine(replay=table) for _ in range(2)]
    for _ in range(20):
        assertion = id_jag()

        def present(number: int, assertion: str = assertion) -> str:
            return slug(exchanges[number % 2], assertion)

        with ThreadPoolExecutor(8) as pool:
            said = list(pool.map(present, range(8)))
        assert sorted(said) == ["granted"] + ["replayed"] * 7


@pytest.mark.parametrize(
    "answer", [[1], ["first"], [], [True, True], None, 5, [object()], "x", [0], {"a": True}, [b""]]
)
def test_no_other_answer_is_an_acceptance(answer: Any, unraisable: list[BaseException | None]) -> None:
    class Odd:
        def claim(self, keys: list[bytes], expires_at: list[int], /) -> Iterable[bool | None]:
            return answer  # type: ignore[no-any-return]

    assert slug(engine(replay=Odd()), id_jag()) == "replay_unavailable"
    assert len(unraisable) == 1


def test_what_it_raises_is_no_answer(unraisable: list[BaseException | None]) -> None:
    class Broken(Table):
        fails = ""

        def claim(self, keys: list[bytes], expires_at: list[int], /) -> list[bool | None]:
            if self.fails == "claim":
                raise KeyboardInterrupt
            return super().claim(keys, expires_at)

        def remembers_since(self) -> float | None:
            if self.fails == "memory":
                raise OSError("gone")
            return 5 if not self.fails else None

    store = Broken()
    exchange = engine(replay=store)
    assert slug(exchange, id_jag()) == "granted"
    store.fails = "claim"
    assert slug(exchange, id_jag()) == "replay_unavailable"
    store.fails = "memory"
    assert slug(exchange, id_jag()) == "replay_unavailable"
    assert {type(error) for error in unraisable} == {KeyboardInterrupt, OSError}
    store.fails = ""
    assert slug(exchange, id_jag()) == "granted"


def test_a_memory_that_begins_anew_in_between_is_worth_nothing() -> None:
    class Fresh(Table):
        since = 5

        def claim(self, keys: list[bytes], expires_at: list[int], /) -> list[bool | None]:
            self.since += 1
            return super().claim(keys, expires_at)

        def remembers_since(self) -> int:
            return self.since

    assert slug(engine(replay=Fresh()), id_jag()) == "replay_unavailable"


def test_the_record_has_each_line_and_what_it_refuses_is_not_granted(
    unraisable: list[BaseException | None],
) -> None:
    lines: list[dict[str, Any]] = []
    is_full = False

    def record(line: bytes) -> None:
        if is_full:
            raise OSError("no space left")
        lines.append(json.loads(line))

    exchange = engine(record=record)
    assert {"policy_loaded", "connector_changed", "directory_loaded"} <= {line["event"] for line in lines}
    lines.clear()
    assertion = id_jag()
    token = exchange.exchange(assertion, client_id=CLIENT)
    assert slug(exchange, assertion) == "replayed"
    exchange.revoke(idjag.Revocation.client(CLIENT))
    assert [(line["event"], line.get("decision"), line.get("reason")) for line in lines] == [
        ("exchange", "allow", None),
        ("exchange", "deny", "replayed"),
        ("revoked", None, None),
    ]
    assert lines[0]["sub"] == "1001"
    assert not any(token.access_token in json.dumps(line) or assertion in json.dumps(line) for line in lines)
    exchange.lift(idjag.Revocation.client(CLIENT))
    is_full = True
    spent = id_jag()
    assert slug(exchange, spent) == "record_unavailable"
    assert slug(exchange, "x") == "record_unavailable"
    assert all(isinstance(error, OSError) for error in unraisable)
    # The grant, the refusal in its place, and the other.
    assert len(unraisable) == 3
    is_full = False
    # It stays spent: the safe side.
    assert slug(exchange, spent) == "replayed"
    results = exchange.exchange_many([idjag.Request(id_jag(), client_id=CLIENT) for _ in range(100)])
    assert all(isinstance(result, idjag.IssuedToken) for result in results)
    assert sum(line.get("decision") == "allow" for line in lines) == 101


def test_a_record_that_gives_something_else_has_not_taken_it(unraisable: list[BaseException | None]) -> None:
    exchange = engine(record=lambda _: False)
    assert slug(exchange, id_jag()) == "record_unavailable"
    assert unraisable


def test_a_loop_goes_on_while_the_store_is_asked() -> None:
    waiting = threading.Event()

    class Slow(Table):
        def claim(self, keys: list[bytes], expires_at: list[int], /) -> list[bool | None]:
            waiting.wait(5)
            return super().claim(keys, expires_at)

    async def run() -> int:
        exchange = engine(replay=Slow())
        body = f"grant_type={GRANT_TYPE.replace(':', '%3A')}&assertion={id_jag()}".encode()
        response = asyncio.ensure_future(exchange.token_endpoint_async(body, authorization=basic()))
        await asyncio.sleep(0.05)
        assert not response.done()
        waiting.set()
        return (await response).status

    assert asyncio.run(run()) == 200


def test_what_the_host_keeps_is_not_kept_elsewhere_as_well() -> None:
    config = configuration(ISSUER, RESOURCE)
    config["replay"] |= {"store": "file", "path": "somewhere"}
    with pytest.raises(idjag.ConfigError, match="the one that the host brings"):
        idjag.Exchange(config, replay=Table())
    config = configuration(ISSUER, RESOURCE, audit={"path": "somewhere"})
    with pytest.raises(idjag.ConfigError, match="the host takes the record"):
        idjag.Exchange(config, record=lambda _: None)
    for wrong in ({"replay": object()}, {"replay": {"claim": 5}}, {"record": 5}):
        with pytest.raises(TypeError):
            engine(**wrong)


def test_a_circle_through_them_is_collected() -> None:
    class Knot(Table):
        exchange: idjag.Exchange

        def record(self, line: bytes) -> None:
            del line

    knot = Knot()
    knot.exchange = engine(replay=knot, record=knot.record)
    gone = weakref.ref(knot.exchange)
    del knot
    gc.collect()
    assert gone() is None
