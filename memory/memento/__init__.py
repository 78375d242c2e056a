"""Memento: a local memory for AI agents.

    from memento import MemoryStore

    with MemoryStore() as store:
        store.remember("We deploy on Thursdays only.", tags=["deploy"])
        for found in store.recall("when can I ship this?"):
            print(found.score, found.text)

Importing this package loads none of the heavy libraries; each is loaded by the first call that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memento.auto import AutoMemory as AutoMemory, Observation as Observation
    from memento.errors import MementoError as MementoError
    from memento.memory import (
        Added as Added,
        Feature as Feature,
        Found as Found,
        Instruction as Instruction,
        Memory as Memory,
        Recall as Recall,
    )
    from memento.narrowing import Filters as Filters
    from memento.process_stores import get_store as get_store, recall as recall, remember as remember
    from memento.store import MemoryStore as MemoryStore

__version__ = "0.1.0"

_HOMES = {
    "AutoMemory": "memento.auto",
    "Added": "memento.memory",
    "Feature": "memento.memory",
    "Filters": "memento.narrowing",
    "Found": "memento.memory",
    "Instruction": "memento.memory",
    "MementoError": "memento.errors",
    "Memory": "memento.memory",
    "MemoryStore": "memento.store",
    "Observation": "memento.auto",
    "Recall": "memento.memory",
    "get_store": "memento.process_stores",
    "recall": "memento.process_stores",
    "remember": "memento.process_stores",
}

__all__ = [
    "Added",
    "AutoMemory",
    "Feature",
    "Filters",
    "Found",
    "Instruction",
    "MementoError",
    "Memory",
    "MemoryStore",
    "Observation",
    "Recall",
    "get_store",
    "recall",
    "remember",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'memento' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
