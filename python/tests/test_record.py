"""The record on disk, where the configuration asks for one."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import VECTORS, Good

import idjag


def engine(good: Good, folder: Path, monkeypatch: pytest.MonkeyPatch) -> idjag.Exchange:
    monkeypatch.chdir(VECTORS / "worlds")
    config = good.bench.config | {"audit": {"path": str(folder)}}
    return idjag.Exchange(config, clock=lambda: good.bench.now)


def lines(folder: Path) -> list[dict[str, Any]]:
    texts = [path.read_text() for path in sorted(folder.glob("*/*.jsonl"))]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def test_a_token_has_its_line_and_the_next_process_knows_what_was_spent(
    good: Good, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "audit"
    exchange = engine(good, folder, monkeypatch)
    assert not any("record" in warning for warning in exchange.warnings)
    token = exchange.exchange(good.assertion, client_id=good.client_id)
    found = [line for line in lines(folder) if line.get("decision") == "allow"]
    assert [line["scope_granted"].split() for line in found] == [list(token.scopes)]
    assert token.access_token not in (folder / "0" / f"{0:020}.jsonl").read_text()
    body = f"grant_type=nonsense&client_id={good.client_id}".encode()
    assert exchange.token_endpoint(body).status == 400
    exchange.revoke(idjag.Revocation.client("client-for-notes"))
    del exchange
    again = engine(good, folder, monkeypatch)
    with pytest.raises(idjag.ExchangeDenied) as refused:
        again.exchange(good.assertion, client_id=good.client_id)
    assert refused.value.slug == "replayed"
    del again
    events = [line["event"] for line in lines(folder)]
    assert events.count("revoked") == events.count("stands") == 1, "the next process knows that, too"
    reasons = [line["reason"] for line in lines(folder) if line.get("decision") == "deny"]
    assert reasons == ["grant_type_unsupported", "replayed"]
    assert [line["event"] for line in lines(folder)].count("log_closed") == 2


def test_a_child_of_fork_ends_and_leaves_the_log_to_its_parent(
    good: Good, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "audit"
    exchange = engine(good, folder, monkeypatch)
    child = os.fork()
    if child == 0:
        del exchange
        os._exit(0)
    deadline = time.monotonic() + 20
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        assert time.monotonic() < deadline, "the child waits for a thread that it does not have"
        time.sleep(0.01)
    assert "log_closed" not in [line["event"] for line in lines(folder)]
    exchange.exchange(good.assertion, client_id=good.client_id)
    del exchange
    assert lines(folder)[-1]["event"] == "log_closed"
