"""One open store per file and process, and the functions that use the default one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from memento.base.home import store_file
from memento.config import load_config
from memento.store import MemoryStore

_stores: Final[dict[Path, MemoryStore]] = {}
_lock: Final = threading.Lock()
Given = ParamSpec("Given")
Returned = TypeVar("Returned")


def get_store(path: str | Path | None = None) -> MemoryStore:
    """Return the process's one open store for this path (default: the configured one), opening it on first use.

    Safe for use from several threads: they share the store, which is safe too. Closing it makes the next call open
    another. Raises what MemoryStore raises.
    """
    config = load_config()
    wanted = (config.db_path if path is None else store_file(path)).resolve()
    with _lock:
        if wanted not in _stores:
            _stores[wanted] = opened = MemoryStore(wanted, config=config)
            opened.on_close = _forget
        return _stores[wanted]


def _forget(store: MemoryStore) -> None:
    """Let go of a store that is closed: the next call opens another."""
    with _lock:
        for path, known in list(_stores.items()):
            if known is store:
                del _stores[path]


def _of_default(method: Callable[Concatenate[MemoryStore, Given], Returned]) -> Callable[Given, Returned]:
    """Return a store's method as a function on the default store, with the same parameters."""

    @wraps(method)
    def call(*args: Given.args, **options: Given.kwargs) -> Returned:
        return method(get_store(), *args, **options)

    _, *parameters = (described := signature(method)).parameters.values()
    call.__signature__ = described.replace(parameters=parameters)  # type: ignore[attr-defined]
    return call


remember = _of_default(MemoryStore.remember)
"""Keep a text in the default store: `MemoryStore.remember` with the same parameters, on `get_store()`."""
recall = _of_default(MemoryStore.recall)
"""Search the default store: `MemoryStore.recall` with the same parameters, on `get_store()`."""
