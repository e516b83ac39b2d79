"""The Sigma rules in `log/sigma`: each fires on what it is for, as the engine records it, and on nothing of a week."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from recorded import BEFALLS, Server, chat, ordinary, serving, wiki

RULES = sorted((ROOT / "log" / "sigma").glob("*.yml"))
# Two ways to fall out of step, one rule.
FIRES = {name: name for name in BEFALLS} | {"log_stalled": "log_recovered"}
# A Monday, at midnight.
MONDAY = 1_794_787_200


def document(rule: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(rule.read_text())
    return loaded


@pytest.fixture(scope="module")
def queries() -> dict[str, str]:
    """Each rule as sigma-cli says it to SQLite."""
    sigma = Path(sys.executable).with_name("sigma")
    command: list[str | Path] = [
        sigma,
        "convert",
        "-t",
        "sqlite",
        "-f",
        "zircolite",
        "--without-pipeline",
        *RULES,
    ]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    by_id = {rule["id"]: rule["rule"] for rule in said}
    return {rule.stem: by_id[document(rule)["id"]][0] for rule in RULES}


def fired(queries: dict[str, str], lines: list[dict[str, Any]]) -> dict[str, list[int]]:
    """The numbers of the lines that each rule fires on."""
    columns = {name for line in lines for name in line}
    for rule in RULES:
        for part in document(rule)["detection"].values():
            columns |= {field.split("|")[0] for field in part} if isinstance(part, dict) else set()
    names = sorted(columns)
    database = sqlite3.connect(":memory:")
    quoted = ", ".join(f'"{name}"' for name in names)
    database.execute(f"CREATE TABLE logs ({quoted})")
    database.executemany(
        f"INSERT INTO logs VALUES ({', '.join('?' * len(names))})",
        ([flat(line.get(name)) for name in names] for line in lines),
    )
    seq = names.index("seq")
    return {rule: sorted(row[seq] for row in database.execute(query)) for rule, query in queries.items()}


def flat(value: Any) -> Any:
    """Lists as their text, as a SIEM without lists has them."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def test_six_rules_say_what_a_rule_has_to() -> None:
    assert [rule.stem for rule in RULES] == sorted(set(FIRES.values()))
    ids = set()
    for rule in RULES:
        said = document(rule)
        assert set(said) >= {"title", "id", "status", "description", "falsepositives", "level", "tags"}, rule
        assert said["logsource"] == {"product": "idjag", "service": "audit"}
        assert len(said["title"]) <= 256
        assert uuid.UUID(said["id"]).version == 4
        assert "\t" not in rule.read_text()
        ids.add(said["id"])
    assert len(ids) == len(RULES)


@pytest.mark.parametrize("name", BEFALLS)
def test_a_rule_fires_on_what_it_is_for_and_no_other_does(
    name: str, queries: dict[str, str], tmp_path: Path
) -> None:
    with serving(tmp_path / "audit") as server:
        before = len(server.lines())
        BEFALLS[name](server)
    lines = server.lines()
    found = fired(queries, lines)
    assert {rule for rule, numbers in found.items() if numbers} == {FIRES[name]}
    # Not on what was there before it.
    assert all(number >= before - 1 for number in found[FIRES[name]])


def test_a_week_of_ordinary_work_is_silent(queries: dict[str, str], tmp_path: Path) -> None:
    with serving(tmp_path / "audit", MONDAY) as server:
        ordinary(server)
    lines = server.lines()
    assert len(lines) > 400
    reasons = {line.get("reason") for line in lines}
    assert reasons >= {"expired", "group_required", "blocked", "token_expired"}, reasons
    assert fired(queries, lines) == {rule.stem: [] for rule in RULES}
    # One that does not belong there is found in it.
    with serving(tmp_path / "other", MONDAY) as other:
        BEFALLS["replayed"](other)
    last = max(line["seq"] for line in lines)
    strange = [line | {"seq": last + 1} for line in other.lines() if line.get("reason") == "replayed"]
    assert fired(queries, lines + strange)["replayed"] == [last + 1]


def test_somebody_who_had_it_before_is_nothing_new(queries: dict[str, str], tmp_path: Path) -> None:
    """A policy that is loaded again, changed elsewhere or narrowed grants no privileged scope for the first time."""

    def changes(server: Server) -> None:
        server.policy(chat(("board", "chat.read")), wiki(state="planned"))
        server.policy(chat(state="suspended"), wiki())
        server.policy(chat(), wiki(("eng", "wiki.read wiki.history")))

    with serving(tmp_path / "audit") as server:
        changes(server)
    assert fired(queries, server.lines())["privileged_scope_granted"] == []
