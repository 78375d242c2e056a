"""The exception tree.

    MementoError                    exit code 1
    ├── ConfigError                 2   config.yaml, environment or flag that cannot be used
    ├── UsageError                  2   an argument that makes no sense
    │   └── UnknownMemory           3   no memory has this id
    ├── PolicyError                 1   a policy file that cannot be used
    ├── ModelError                  1   the embedding model is damaged or cannot be had
    │   └── ModelMissing            1   no model installed
    └── StoreError                  1   the database cannot be used
        ├── StoreTooNew             1   written by a newer Memento
        ├── StoreCorrupt            1   SQLite or a hash says that the file is damaged
        ├── StoreBusy               1   another process held the write lock for too long
        ├── StoreDeleted            1   the file was deleted while it was in use
        ├── StoreRestored           1   the file was damaged and has just been restored: try again
        ├── BackupDamaged           1   a backup does not give back what was put in
        ├── RowRefused              1   one row breaks a rule of the schema; the store is sound
        └── SourceMoved             1   another reader brought a source further: it is read again

`memento_ingest` adds UnknownFormat and UnknownAgent (UsageError), SettingsError, AlreadyRunning and CannotListen (1).

Every message names the thing and the remedy. Exit codes: 0 done, 1 failed, 2 usage, 3 nothing found, 4 partial.
"""

from __future__ import annotations

from pathlib import Path

from memento_policies import MementoError, PolicyError

__all__ = [
    "BackupDamaged",
    "ConfigError",
    "MementoError",
    "ModelError",
    "ModelMissing",
    "PolicyError",
    "RowRefused",
    "SourceMoved",
    "StoreBusy",
    "StoreCorrupt",
    "StoreError",
    "StoreRestored",
    "StoreTooNew",
    "UnknownMemory",
    "UsageError",
]


class ConfigError(MementoError):
    """A setting cannot be used; the message names where it was set and the nearest valid key."""

    exit_code = 2


class UsageError(MementoError):
    """An argument makes no sense; the message says what it takes."""

    exit_code = 2


class UnknownMemory(UsageError):
    """No memory has this id."""

    exit_code = 3

    def __init__(self, memory: str) -> None:
        super().__init__(f"there is no memory {memory}")


class ModelError(MementoError):
    """The embedding model cannot be obtained, built or used."""


class ModelMissing(ModelError):
    """No embedding model is installed in the folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"no embedding model in {folder}: run `memento model pull`")


class StoreError(MementoError):
    """The database file cannot be opened, read or written."""


class StoreTooNew(StoreError):
    """The file was written by a newer Memento, or is not a Memento store at all."""


class StoreCorrupt(StoreError):
    """SQLite reports that the file is damaged."""


class StoreBusy(StoreError):
    """Another process held the write lock for longer than the busy timeout."""


class StoreDeleted(StoreError):
    """The file was deleted or moved away while it was open; what is open of it is whole."""


class StoreRestored(StoreError):
    """The file was damaged, and a backup has taken its place: what was interrupted must be done again."""


class BackupDamaged(StoreError):
    """A backup cannot be read, or does not give back what was put in."""


class RowRefused(StoreError):
    """One row breaks a rule of the schema; the store itself is sound, and other rows can be written."""


class SourceMoved(StoreError):
    """A source's row is no longer as it was when reading went on from it: the source is to be read again from there."""
