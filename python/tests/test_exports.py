"""What `idjag audit export` writes, checked by others: OCSF by its own schema."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema  # type: ignore[import-untyped]
from recorded import chat, everything, recovered, serving, wiki

IDJAG = ROOT / "target" / "release" / "idjag"
CLASSES = {3002: "authentication", 3003: "authorize_session", 3004: "entity_management"}


def run(*arguments: str | Path) -> str:
    assert IDJAG.exists(), "run `make test-python`, which builds the command"
    done = subprocess.run([IDJAG, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def events(folder: Path, form: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("audit", "export", folder, "--format", form).splitlines()]


def lines(folder: Path) -> list[dict[str, Any]]:
    texts = [path.read_text() for path in sorted(folder.glob("*/*.jsonl"))]
    return [json.loads(line) for text in texts for line in text.splitlines()]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What a wave, everything that may befall a server, and the death of one leave behind."""
    folder = tmp_path_factory.mktemp("exports")
    run("wave", "--people", "20", "--hostile", "56", "--json", "--audit", folder / "wave")
    with serving(folder / "audit") as server:
        everything(server)
    with serving(folder / "before") as server:
        recovered(server)
    return [folder / "wave", folder / "audit", folder / "killed"]


@cache
def validator(class_uid: int) -> Any:
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0"))
    return Draft202012Validator(schema.get_class_schema(class_name=CLASSES[class_uid], profiles=[]))


def faults(event: dict[str, Any]) -> list[str]:
    return [fault.message for fault in validator(event["class_uid"]).iter_errors(event)]


def test_every_line_of_every_kind_is_an_event_of_ocsf(records: list[Path]) -> None:
    kinds = set()
    for folder in records:
        exported = events(folder, "ocsf")
        written = lines(folder)
        assert [event["metadata"]["sequence"] for event in exported] == [line["seq"] for line in written]
        for event, line in zip(exported, written, strict=True):
            assert faults(event) == [], line
            assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
            assert (event["class_uid"] == 3003) == line.get("verified", False)
            kinds.add((line["event"], event["class_uid"]))
    names = {name for name, _ in kinds}
    assert names >= {
        *("exchange", "verify", "refusals", "revoked", "lifted", "keys_changed", "policy_loaded"),
        *(
            "connector_changed",
            "directory_loaded",
            "log_opened",
            "log_closed",
            "log_recovered",
            "log_resumed",
        ),
    }, names
    assert {("exchange", 3002), ("exchange", 3003)} <= kinds


def without(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(event: dict[str, Any]) -> None:
        for name in path[:-1]:
            event = event[name]
        del event[path[-1]]

    return change


def having(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda event: event.update({name: value})


@pytest.mark.parametrize(
    "break_it",
    [
        without("privileges"),
        without("user"),
        without("user", "uid"),
        without("metadata", "product"),
        without("type_uid"),
        having("group", {"name": "eng"}),
        having("time", "2026-11-25T22:13:56Z"),
        having("activity_id", 7),
        having("type_uid", 300_201),
        having("scope", "chat.read"),
        having("src_endpoint", {"ip": "somewhere"}),
    ],
)
def test_the_validator_refuses_an_event_that_is_none(
    records: list[Path], break_it: Callable[[dict[str, Any]], None]
) -> None:
    good = next(event for event in events(records[0], "ocsf") if event["class_uid"] == 3003)
    broken = copy.deepcopy(good)
    break_it(broken)
    assert faults(good) == []
    assert faults(broken) != []


def test_ecs_and_cef_have_every_line_too(records: list[Path]) -> None:
    for folder in records:
        written = lines(folder)
        for event, line in zip(events(folder, "ecs"), written, strict=True):
            assert event["event"]["sequence"] == line["seq"]
            assert event["@timestamp"] == line["timestamp"]
            assert event["event"]["outcome"] in ("success", "failure")
        text = run("audit", "export", folder, "--format", "cef").splitlines()
        assert len(text) == len(written)
        assert all(event.startswith("CEF:0|idjag|idjag|") for event in text)


def test_the_report_counts_people_whom_a_policy_reaches(tmp_path: Path) -> None:
    with serving(tmp_path / "audit") as server:
        # Of 20 people 5 sell (one of them looks after the chat instead), one belongs nowhere.
        server.policy(chat(("sales", "chat.history")), wiki())
        server.policy(chat(("sales", "chat.history"), state="suspended"), wiki())
    changes = [line for line in server.lines() if line["event"] == "policy_loaded"]
    counted = [(line.get("people_gained"), line.get("people_lost")) for line in changes]
    # The wiki: 14 and 1 of eng; the history: 4 who sell. Then chat is taken from all 19 who had it.
    assert counted == [(None, None), (19, 0), (0, 19)]
    assert changes[0]["people"] == 19
    report = run("audit", "report", tmp_path / "audit")
    assert "2 connectors changed; 19 people gained, 0 lost" in report
    assert "1 connector changed; 0 people gained, 19 lost" in report
    assert "enabled to suspended; 0 people gained, 19 lost; 0 people have something" in report
