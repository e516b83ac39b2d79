"""Exchanges that wait for the record in an event loop, on a disk that waits and fails when it is told to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import waiting_scenarios

HERE = Path(__file__).parent
SCENARIOS = [*waiting_scenarios.SCENARIOS, waiting_scenarios.every_loop_is_told_of_its_own.__name__]

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="LD_PRELOAD, /proc")


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("disk") / "disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, HERE / "disk.c"], check=True)
    return library


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_waiting(scenario: str, loop: str, disk: Path, tmp_path: Path) -> None:
    program = [sys.executable, "-X", "dev", str(HERE / "waiting_scenarios.py")]
    run = subprocess.run(
        [*program, scenario, loop, str(tmp_path / "audit")],
        env=os.environ | {"LD_PRELOAD": str(disk)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
