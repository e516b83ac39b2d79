"""What the tests share: the vector table, its worlds, and engines with a clock that they set."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import idjag

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors"


@dataclass
class Bench:
    """An engine of one world, its clock, what is published at which URL, and tokens that it gave."""

    world: str
    now: int
    published: dict[str, str | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    exchange: idjag.Exchange = field(init=False)

    def __post_init__(self) -> None:
        self.exchange = idjag.Exchange(
            VECTORS / "worlds" / f"{self.world}.json", clock=lambda: self.now, client_documents=self.fetch
        )

    def fetch(self, url: str) -> str | None:
        """What is published at `url`. What the case does not name does not answer."""
        self.asked.append(url)
        return self.published[url]

    @property
    def config(self) -> dict[str, Any]:
        """The configuration, for what a test looks up in it."""
        config: dict[str, Any] = json.loads((VECTORS / "worlds" / f"{self.world}.json").read_text())
        return config


@dataclass(frozen=True)
class Good:
    """A case of the table that is granted, on an engine of its own."""

    bench: Bench
    assertion: str
    client_id: str
    resource: str

    @property
    def exchange(self) -> idjag.Exchange:
        return self.bench.exchange


@pytest.fixture
def good() -> Good:
    """The request that everything else differs from."""
    cases = json.loads((VECTORS / "cases" / "form.json").read_text())
    case = next(case for case in cases if "granted" in case["expect"] and isinstance(case["assertion"], str))
    bench = Bench(case["world"], case.get("start", case["now"]))
    bench.now = case["now"]
    return Good(bench, case["assertion"], case["client_id"], case["expect"]["granted"]["resource"])
