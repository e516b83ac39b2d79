"""Waiting for the record in an event loop: no thread, and one wake-up for all that one write made durable."""

from __future__ import annotations

import asyncio
from collections import deque

from idjag._core import _Watch

__all__ = ["Waiting"]


class Waiting:
    """Those of one event loop who wait for the record of one `Exchange`.

    Who stops waiting takes nothing with them: their line is written, and the others are told.
    """

    __slots__ = ("_is_asked", "_loop", "_pending", "_watch")

    def __init__(self, watch: _Watch, loop: asyncio.AbstractEventLoop) -> None:
        self._watch = watch
        self._loop = loop
        # Nearly in the order of the record; one that came late waits for one before it, which is settled later.
        self._pending: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._is_asked = False

    def wait(self, receipt: int) -> asyncio.Future[None]:
        """Done when what `receipt` stands for can be finished without waiting."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._pending.append((receipt, future))
        if not self._is_asked:
            self._is_asked = True
            # After all that is ready now: then one write is for all of it.
            self._loop.call_soon(self._ask)
        return future

    def _ask(self) -> None:
        while self._pending:
            settled = self._watch.call(self._pending[0][0])
            if settled is None:
                # Only as long as somebody waits: nothing is left behind in the loop.
                self._loop.add_reader(self._watch, self._woken)
                return
            self._settle(settled)
        self._is_asked = False

    def _woken(self) -> None:
        self._loop.remove_reader(self._watch)
        self._settle(self._watch.settled())
        self._ask()

    def _settle(self, settled: int) -> None:
        pending = self._pending
        while pending and pending[0][0] <= settled:
            _, future = pending.popleft()
            if not future.done():
                future.set_result(None)
