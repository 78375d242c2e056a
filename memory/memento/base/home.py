"""The user's home folder and paths that begin with `~`. An invalid HOME is refused before anything is written.

An empty or relative HOME would put the store into `/` or into the current folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from memento.errors import ConfigError, StoreError, UsageError

_REMEDY: Final = "Name a file with --db or MEMORY_DB_PATH"


def user_home(environment: Mapping[str, str] = os.environ, *, must_exist: bool = True) -> Path:
    """Return the user's home folder: $HOME, or the one in the user database if HOME is not set.

    Raises ConfigError, with `must_exist` also for a missing folder.
    """
    named = environment.get("HOME")
    recorded = named is None
    if named is None:
        named = _recorded_home()
    if not named:
        raise ConfigError("HOME is empty: set it to your home folder, or unset it")
    if not named.startswith("/"):
        raise ConfigError(f"HOME is {named}, which is not an absolute path: set it to your home folder, or unset it")
    folder = Path(named)
    if must_exist and not folder.is_dir():
        what = "HOME is not set, and this user's home folder" if recorded else "HOME"
        raise ConfigError(f"{what} is {named}, which is not there: set HOME to your home folder, or set MEMENTO_HOME")
    return folder


def memento_home(environment: Mapping[str, str] = os.environ) -> Path:
    """Return Memento's folder: $MEMENTO_HOME, else `.memento` in the user's home folder. Raises ConfigError."""
    named = environment.get("MEMENTO_HOME")
    return expand_user(named, environment) if named else user_home(environment) / ".memento"


def expand_user(path: str | Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path with a leading `~` or `~NAME` replaced by that user's home folder.

    Raises ConfigError if the user's own home is unknown, UsageError for an unknown user.
    """
    text = str(path)
    first, _, rest = text.partition("/")
    if not first.startswith("~"):
        return Path(path)
    if first == "~":
        return user_home(environment) / rest
    expanded = os.path.expanduser(text)  # noqa: PTH111 - pathlib's raises RuntimeError for a user who does not exist
    if expanded == text:
        raise UsageError(f"{text}: there is no user {first[1:]}; write ./{text} for a file of this name")
    return Path(expanded)


def store_file(path: str | Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of a store's file, `~` replaced. Raises StoreError for what cannot be the name of a file."""
    text = str(path)
    expanded = expand_user(path, environment)
    if not text or not expanded.name or text.endswith("/"):
        raise StoreError(f"cannot open the store {text or '(empty)'}: it is a folder. {_REMEDY}")
    if "\0" in text:
        raise StoreError(f"cannot open the store {text}: a path cannot hold a NUL character. {_REMEDY}")
    return expanded


def _recorded_home() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        raise ConfigError(
            f"HOME is not set, and user {os.getuid()} is not in the user database: set HOME or MEMENTO_HOME"
        ) from None
