"""One open store per file and process, and the functions that use the default one."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Final

from memento.config import load_config
from memento.memory import Recall
from memento.store import MemoryStore

_stores: Final[dict[Path, MemoryStore]] = {}
_lock: Final = threading.Lock()


def get_store(path: str | Path | None = None) -> MemoryStore:
    """Return the process's one open store for this path (default: the configured one)."""
    config = load_config()
    wanted = (Path(path).expanduser() if path else config.db_path).resolve()
    with _lock:
        if wanted not in _stores:
            _stores[wanted] = MemoryStore(wanted, config=config)
        return _stores[wanted]


def remember(text: str, **options: Any) -> str:
    """Keep a text in the default store and return its id; see MemoryStore.remember."""
    return get_store().remember(text, **options)


def recall(query: str, k: int | None = None, **options: Any) -> Recall:
    """Search the default store; see MemoryStore.recall."""
    return get_store().recall(query, k, **options)


def forget(store: MemoryStore) -> None:
    """Let go of a store that is closed: the next call opens another."""
    with _lock:
        for path, known in list(_stores.items()):
            if known is store:
                del _stores[path]
