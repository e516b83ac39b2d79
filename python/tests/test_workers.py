"""Several processes over one configuration file: refused where each would have a memory of its own."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from company import ACME, CLIENT, configuration
from conftest import ROOT, VECTORS

import idjag

ISSUER, RESOURCE = "https://auth.chat.example/", "https://mcp.chat.example/"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

# Says whether it got an engine, and keeps it until it is told to end.
WORKER = """
import idjag, sys
try:
    exchange = idjag.Exchange(sys.argv[1])
except idjag.ConfigError as error:
    print(error, flush=True)
else:
    print("made", flush=True)
    sys.stdin.read()
"""


def written(folder: Path, **more: Any) -> Path:
    config = configuration(ISSUER, RESOURCE)
    config["replay"] |= more
    path = folder / "idjag.toml"
    # A text that begins with a brace is read as JSON, whatever its file is called.
    path.write_text(json.dumps(config))
    return path


def works(exchange: idjag.Exchange) -> bool:
    token = exchange.exchange(ACME.id_jag(ISSUER, RESOURCE), client_id=CLIENT)
    return exchange.verify(token.access_token, resource=RESOURCE) is not None


class Worker:
    """Another process, and what it says of making an engine."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT / "python")},
        )
        assert self._process.stdout is not None
        self.said = self._process.stdout.readline().strip()

    def end(self, number: int = signal.SIGTERM) -> None:
        self._process.send_signal(number)
        self._process.communicate()


def another(path: Path) -> str:
    """What another process says that ends at once."""
    worker = Worker(path)
    worker.end()
    return worker.said


def in_a_child(what: Callable[[], object]) -> str:
    """What `what` gives in a child of `fork`, or the error that it raises."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # No assertion of pytest may run on in here.
        said = "nothing"
        try:
            said = str(what())
        except idjag.IdjagError as error:
            said = f"{type(error).__name__}: {error}"
        finally:
            os.write(writing, said.encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(child, 0)
    return answer


def test_a_second_process_is_refused_and_told_what_to_do(tmp_path: Path) -> None:
    path = written(tmp_path)
    exchange = idjag.Exchange(path)
    assert not any("another process" in warning for warning in exchange.warnings)
    said = another(path)
    assert said.startswith(f"{path}:1: `replay`: another process runs over this configuration")
    for word in ('`store` is "memory"', '`tokens.keys` is "ephemeral"', "`allow_per_process = true`"):
        assert word in said
    assert os.listdir(tmp_path) == ["idjag.toml"], "nothing stays behind"
    assert works(exchange)
    # It ends with the engine: other objects over the same file are no other process.
    again = idjag.Exchange(path)
    del exchange
    gc.collect()
    assert "another process" in another(path)
    del again
    gc.collect()
    assert another(path) == "made"


def test_it_ends_with_the_process_however_it_ends(tmp_path: Path) -> None:
    path = written(tmp_path)
    worker = Worker(path)
    assert worker.said == "made"
    with pytest.raises(idjag.ConfigError) as refused:
        idjag.Exchange(path)
    assert (refused.value.file, refused.value.key) == (str(path), "replay")
    worker.end(signal.SIGKILL)
    assert works(idjag.Exchange(path))


def test_what_is_allowed_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, allow_per_process=True)
    exchange = idjag.Exchange(path)
    assert any("every process accepts an assertion once" in warning for warning in exchange.warnings)
    assert another(path) == "made"
    assert in_a_child(lambda: works(idjag.Exchange(path))) == "True"


def test_processes_that_share_a_memory_and_keys_are_welcome(tmp_path: Path) -> None:
    shared = {"store": "file", "path": str(tmp_path / "replay"), "max_bytes": "1 MiB"}
    path = written(tmp_path, **shared)
    own = idjag.Exchange(path)
    # Keys of its own are enough to refuse a second one.
    refused = another(path)
    assert "another process" in refused
    assert "keys from a file" in refused
    assert "memory" not in refused
    del own
    gc.collect()
    config = json.loads(path.read_text())
    config["tokens"]["keys"] = [str(VECTORS / "keys" / "token-ed25519.jwk")]
    path.write_text(json.dumps(config))
    assert in_a_child(lambda: works(idjag.Exchange(path))) == "True"
    exchange = idjag.Exchange(path)
    assert another(path) == "made"

    # One assertion, and one token among all of them.
    id_jag = ACME.id_jag(ISSUER, RESOURCE)

    def take(exchange: idjag.Exchange) -> str:
        try:
            return exchange.exchange(id_jag, client_id=CLIENT).resource
        except idjag.ExchangeDenied as refusal:
            return refusal.slug

    assert in_another(path, id_jag) == RESOURCE
    assert take(exchange) == "replayed"
    assert in_another(path, id_jag) == "replayed"
    # A file that the parent still has open cannot be opened by its child, which is told so.
    assert "open it in each process, after the fork" in in_a_child(lambda: idjag.Exchange(path))


def in_another(path: Path, id_jag: str) -> str:
    """What another process gives for an assertion."""
    script = """
import idjag, sys
try:
    print(idjag.Exchange(sys.argv[1]).exchange(sys.argv[2], client_id=sys.argv[3]).resource)
except idjag.ExchangeDenied as refusal:
    print(refusal.slug)
"""
    arguments = [sys.executable, "-c", script, str(path), id_jag, CLIENT]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "python")}
    return subprocess.run(
        arguments, capture_output=True, text=True, check=True, env=environment
    ).stdout.strip()


def test_a_file_that_cannot_be_written_is_locked_as_well(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        exchange = idjag.Exchange(path)
        assert "another process" in another(path)
        assert works(exchange)
    finally:
        tmp_path.chmod(0o755)


def test_the_lock_follows_a_file_that_is_replaced(tmp_path: Path) -> None:
    path = written(tmp_path)
    exchange = idjag.Exchange(path)
    path.unlink()
    written(tmp_path)
    exchange.reload(path)
    assert "another process" in another(path)
    # A reload that finds another process there changes nothing.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    worker = Worker(written(elsewhere))
    generation = exchange.stats()["generation"]
    with pytest.raises(idjag.ConfigError, match="another process"):
        exchange.reload(elsewhere / "idjag.toml")
    assert exchange.stats()["generation"] == generation
    worker.end()
    # What is no file cannot be told from another, and does not end what was told before.
    exchange.reload(json.loads(path.read_text()))
    assert "another process" in another(path)


def test_a_child_is_a_process_like_any_other(tmp_path: Path) -> None:
    path = written(tmp_path)
    exchange = idjag.Exchange(path)

    def make() -> bool:
        return works(idjag.Exchange(path))

    # Beside the parent's: two memories.
    assert "another process" in in_a_child(make)
    # A child that ends does not take the lock of its parent with it.
    assert "another process" in another(path)
    # Once the parent has let go, one child has it, and not a second one.
    del exchange
    gc.collect()
    assert in_a_child(make) == "True"

    def one_more() -> str:
        mine = idjag.Exchange(path)
        return f"{works(mine)}, {in_a_child(make)}, {another(path)}"

    said = in_a_child(one_more)
    assert said.startswith("True, ConfigError: ")
    assert said.count("another process") == 2


def test_a_child_that_outlives_its_parent_holds_nothing(tmp_path: Path) -> None:
    path = written(tmp_path)
    # It dies while its child, which has made no engine, lives on.
    script = """
import idjag, os, signal, sys
exchange = idjag.Exchange(sys.argv[1])
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    os.write(writing, b".")
    os.close(1)
    sys.stdin.read()
    os._exit(0)
os.read(reading, 1)
print(child, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "python")},
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.wait()
    os.kill(child, 0)
    assert works(idjag.Exchange(path))
    parent.stdin.close()
    parent.stdout.close()


def test_what_cannot_be_told_is_a_warning(tmp_path: Path) -> None:
    path = written(tmp_path)
    config = json.loads(path.read_text())
    policy = {"connectors": config.pop("connectors")}
    path.write_text(json.dumps(config | {"policy": "policy.toml"}))
    os.mkfifo(tmp_path / "policy.toml")

    def write_policy() -> None:
        with (tmp_path / "policy.toml").open("w") as pipe:
            # The configuration is read by now, and will be gone when it is to be locked.
            path.unlink()
            pipe.write(json.dumps(policy))

    with ThreadPoolExecutor(1) as pool:
        wrote = pool.submit(write_policy)
        exchange = idjag.Exchange(path)
        wrote.result()
    assert works(exchange)
    (warning,) = (warning for warning in exchange.warnings if "another process" in warning)
    assert warning.startswith(f"{path}: whether another process runs over it cannot be told: ")


def test_a_mapping_has_nothing_to_be_locked() -> None:
    config = configuration(ISSUER, RESOURCE)
    exchange = idjag.Exchange(config)
    assert in_a_child(lambda: works(idjag.Exchange(config))) == "True"
    assert works(exchange)


def test_what_is_read_from_a_pipe_has_nothing_either() -> None:
    reading, writing = os.pipe()
    os.write(writing, json.dumps(configuration(ISSUER, RESOURCE)).encode())
    os.close(writing)
    assert works(idjag.Exchange(f"/dev/fd/{reading}"))
    os.close(reading)
