"""Threads, forks, and what stays behind."""

from __future__ import annotations

import gc
import json
import os
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from conftest import VECTORS, Bench, Good

import idjag


def test_of_one_jti_one_token_on_any_number_of_threads(good: Good) -> None:
    threads, start = 8, threading.Barrier(8)
    cases = json.loads((VECTORS / "cases" / "replay.json").read_text())
    assert cases
    world = VECTORS / "worlds" / f"{good.bench.world}.json"

    def hammer(exchange: idjag.Exchange) -> list[str]:
        start.wait()
        got = []
        for _ in range(20):
            try:
                token = exchange.exchange(good.assertion, client_id=good.client_id)
                got.append(token.access_token)
            except idjag.ExchangeDenied as refusal:
                assert refusal.slug == "replayed"
            many = exchange.exchange_many([idjag.Request(good.assertion, client_id=good.client_id)] * 3)
            got += [answer.access_token for answer in many if isinstance(answer, idjag.IssuedToken)]
        return got

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(10):
            exchange = idjag.Exchange(world, clock=lambda: good.bench.now)
            got = pool.map(hammer, [exchange] * threads)
            tokens = [token for tokens in got for token in tokens]
            assert len(tokens) == 1
            assert exchange.verify(tokens[0], resource=good.resource)
            assert exchange.stats()["granted"] == 1


def test_changes_while_threads_verify(good: Good) -> None:
    token = good.exchange.exchange(good.assertion, client_id=good.client_id)
    done = threading.Event()

    def verify() -> int:
        count = 0
        while not done.is_set():
            assert good.exchange.verify(token.access_token, resource=token.resource)
            count += 1
        return count

    with ThreadPoolExecutor(4) as pool:
        counts = [pool.submit(verify) for _ in range(4)]
        for _ in range(50):
            good.exchange.reload(VECTORS / "worlds" / f"{good.bench.world}.json")
        done.set()
        assert all(count.result() > 0 for count in counts)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_is_refused_and_makes_its_own(good: Good) -> None:
    config = good.bench.config
    config["tokens"]["keys"] = "ephemeral"
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # No assertion of pytest may run on in here.
        said = b"nothing"
        try:
            good.exchange.exchange(good.assertion, client_id=good.client_id)
        except idjag.ExchangeDenied:
            said = b"denied"
        except idjag.IdjagError as error:
            refused = 0
            for other in (
                lambda: good.exchange.verify("x", resource="x"),
                lambda: good.exchange.exchange_many([]),
                lambda: good.exchange.token_endpoint(b""),
                good.exchange.jwks,
                good.exchange.stats,
            ):
                try:
                    other()
                except idjag.IdjagError:
                    refused += 1
            # Of the same, but no file: see `test_workers.py`.
            own = idjag.Exchange(config, clock=lambda: good.bench.now)
            token = own.exchange(good.assertion, client_id=good.client_id)
            works = own.verify(token.access_token, resource=token.resource) is not None
            said = f"{refused} {works} {error}".encode()
        finally:
            os.write(writing, said)
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(child, 0)
    assert answer.startswith("5 True ")
    assert "make a new Exchange in the child" in answer
    # The parent goes on.
    assert good.exchange.exchange(good.assertion, client_id=good.client_id)


def test_making_one_starts_no_thread(good: Good) -> None:
    before = psutil.Process().num_threads()
    made = [Bench(good.bench.world, good.bench.now) for _ in range(3)]
    for bench in made:
        bench.exchange.exchange(good.assertion, client_id=good.client_id)
    assert psutil.Process().num_threads() == before


def test_nothing_stays_behind(good: Good) -> None:
    token = good.exchange.exchange(good.assertion, client_id=good.client_id).access_token
    world = VECTORS / "worlds" / f"{good.bench.world}.json"
    requests = [idjag.Request(good.assertion, client_id=good.client_id)] * 64

    def everything() -> None:
        for _ in range(200):
            with pytest.raises(idjag.ExchangeDenied):
                good.exchange.exchange(good.assertion, client_id=good.client_id, scopes=["chat.read"])
            with pytest.raises(idjag.ExchangeDenied):
                good.exchange.exchange("\ud800", client_id=good.client_id, resource=["a", "b"])
            who = good.exchange.verify(token, resource=good.resource)
            assert who is not None
            assert who.claims
            assert who.groups is not None
            good.exchange.token_endpoint(b"grant_type=x", headers=[("a", b"b")], client_certificate=b"c")
            str(good.exchange.explain(good.assertion, client_id=good.client_id))
            good.exchange.metadata()
        good.exchange.exchange_many(requests)
        for _ in range(3):
            idjag.Exchange(world, clock=time.time)
            good.exchange.reload(world)
            with pytest.raises(idjag.ConfigError):
                good.exchange.put_policy("x")

    process = psutil.Process()
    for _ in range(10):
        everything()
    gc.collect()
    before = process.memory_info().rss
    for _ in range(30):
        everything()
    gc.collect()
    # A leak of 40 bytes a call would be 1.2 MB here, of one request 20 MB.
    assert process.memory_info().rss - before < 4 * 1024 * 1024


def test_a_circle_through_the_clock_is_collected(good: Good) -> None:
    class Clock:
        exchange: idjag.Exchange

        def __call__(self) -> float:
            return float(good.bench.now)

    clock = Clock()
    clock.exchange = idjag.Exchange(VECTORS / "worlds" / f"{good.bench.world}.json", clock=clock)
    gone = weakref.ref(clock.exchange)
    del clock
    gc.collect()
    assert gone() is None
