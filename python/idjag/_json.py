"""What a mapping may hold beside what JSON knows."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping


def plain(value: object) -> object:
    """What `value` stands for, as `json.dumps` wants it.

    Raises:
        TypeError: It stands for nothing in JSON.
    """
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot stand in a configuration")
