"""Settings: flags > environment > ~/.memento/config.yaml > defaults, and where each value came from.

This module is the one list of settings. A new one is a field of a section here, nothing else.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args, get_type_hints

import msgspec

from memento.base.home import expand_user, memento_home, store_file
from memento.errors import ConfigError


class Storage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where memories lie."""

    db_path: str = ""
    """The database file; empty = memory.db in Memento's folder."""
    backup_enabled: bool = True
    """Back up every hour and every day while the sidecar runs."""
    backup_retention_days: Annotated[int, msgspec.Meta(ge=0)] = 7
    auto_restore: bool = True
    """Restore the newest sound backup when the file turns out to be damaged."""
    forget_backups: Literal["scrub", "expire", "keep"] = "scrub"
    """What `memento forget` does about backups: write them anew without it, replace all by a new one, or nothing."""


class Embedding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How texts become vectors."""

    model: str = "all-MiniLM-L6-v2"
    use_onnx: bool = True
    """False asks for sentence-transformers (extra `torch`)."""
    precision: Literal["int8", "fp32"] = "int8"
    model_dir: str = ""
    """The model's folder; empty = models/<model> in Memento's folder."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1


class Cache(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept to avoid embedding a text, or answering a query, twice; 0 keeps none."""

    lru_size: Annotated[int, msgspec.Meta(ge=0)] = 1_000
    """Query embeddings in the process."""
    table_size: Annotated[int, msgspec.Meta(ge=0)] = 10_000
    """Query embeddings in the database."""
    working_size: Annotated[int, msgspec.Meta(ge=0)] = 1_000
    """Answers and memories in the process."""


class Recall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How queries are answered."""

    deadline_seconds: Annotated[float, msgspec.Meta(ge=0)] = 5.0
    limit: Annotated[int, msgspec.Meta(ge=1)] = 10
    min_score: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """The score that a result must reach to be an answer; 0 returns whatever is nearest."""
    index: Literal["auto", "numpy", "faiss", "hnsw", "sqlite-vec", "native"] = "auto"
    """What finds the nearest vectors: the native engine where it is used, else numpy; docs/search.md has the others."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Cores that one search in the native engine may take; a second pays above some 300,000 vectors."""


class Sidecar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `memento watch` follows and how much it may use."""

    paths: list[str] = []
    """Folders and files watched beside the agents' own places."""
    embed_cpu_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    """Share of one CPU that embedding may use, in (0, 1]."""
    preload_model: bool = False
    """Load the embedding model at the start and keep it, so that the first recall does not wait for it."""
    memory_mb: Annotated[int, msgspec.Meta(gt=0)] = 600
    """Above it the model is let go and embedding rests; capture goes on."""


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the sidecar's local server allows. Its Unix socket is always there."""

    tcp: bool = False
    """Serve on 127.0.0.1 too, for those who send the token."""
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 7_411
    """The TCP port; 0 = any free one."""
    token_file: str = ""
    """Made with a random token if there is none; empty = server.token in Memento's folder."""
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1_024)] = 16 * 1024 * 1024
    requests_per_second: Annotated[float, msgspec.Meta(gt=0)] = 50.0
    """For one process, or for all that use TCP; four seconds' worth may come at once."""


class Mcp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How `memento mcp` serves agents."""

    start_sidecar: bool = True
    """Start `memento watch` in the background where none runs when an agent first calls a tool."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every setting, by section."""

    storage: Storage = msgspec.field(default_factory=Storage)
    embedding: Embedding = msgspec.field(default_factory=Embedding)
    cache: Cache = msgspec.field(default_factory=Cache)
    recall: Recall = msgspec.field(default_factory=Recall)
    sidecar: Sidecar = msgspec.field(default_factory=Sidecar)
    server: Server = msgspec.field(default_factory=Server)
    mcp: Mcp = msgspec.field(default_factory=Mcp)
    echo: bool = False
    """Print every memory that is written, one line each, to standard error."""
    rust: bool | None = None
    """Demand the native engine (true), refuse it (false); without it, it is used where it is installed."""


_ENVIRONMENT: Final = {
    "MEMORY_DB_PATH": "storage.db_path",
    "MEMENTO_MODEL_DIR": "embedding.model_dir",
    "MEMENTO_RUST": "rust",
    "MEMORY_ECHO": "echo",
}


class Effective(NamedTuple):
    """One setting's value and where it was set: `default`, `$NAME`, a flag, or file and key."""

    key: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Config:
    """The settings in force."""

    settings: Settings
    """By section and name: `settings.recall.limit`."""
    home: Path
    """Memento's folder: $MEMENTO_HOME, else ~/.memento."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each setting that is not the default was set."""

    @property
    def db_path(self) -> Path:
        """The database file."""
        named = self.settings.storage.db_path
        return store_file(named) if named else self.home / "memory.db"

    @property
    def model_dir(self) -> Path:
        """The folder of the embedding model."""
        named = self.settings.embedding.model_dir
        return expand_user(named) if named else self.home / "models" / self.settings.embedding.model

    @property
    def policy_dir(self) -> Path:
        """The folder of the user's policy files."""
        return self.home / "policies"

    def effective(self) -> Iterator[Effective]:
        """Yield every setting with its value and origin."""
        for key, value in _flatten(msgspec.to_builtins(self.settings)):
            yield Effective(key, value, self.origins.get(key, "default"))


def load_config(flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None) -> Config:
    """Read the settings; `flags` maps keys such as `storage.db_path` to values.

    Raises ConfigError naming the place and, for an unknown key, the nearest one.
    """
    environment = os.environ if environment is None else environment
    home = memento_home(environment)
    values, origins = _read_file(home / "config.yaml")
    for name, key in _ENVIRONMENT.items():
        if environment.get(name):
            values[key], origins[key] = _from_text(name, key, environment[name]), f"${name}"
    for key, value in (flags or {}).items():
        if value is not None:
            values[key], origins[key] = value, "flag"
    return Config(_convert(values, origins), home, origins)


def _read_file(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}, {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigError(f"cannot read {path}: {reason}") from None
    import yaml

    try:
        content = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold sections such as `storage:`, not a {type(content).__name__}")
    content = {key: value for key, value in content.items() if value is not None or key not in _SECTIONS}
    for key in _SECTIONS & content.keys():
        if not isinstance(content[key], dict):
            raise ConfigError(f"{path}: {key} is a section: give its settings on the lines below it")
    values = dict(_flatten(content))
    return values, {key: f"{path}: {key}" for key in values}


def _from_text(name: str, key: str, text: str) -> Any:
    """Read an environment variable's text as its setting's type."""
    if isinstance(_DEFAULTS[key], str):
        return text
    meaning = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in meaning:
        raise ConfigError(f"${name}={text}: give 1 or 0")
    return meaning[text.lower()]


def _convert(values: Mapping[str, Any], origins: Mapping[str, str]) -> Settings:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        if key not in _DEFAULTS:
            near = difflib.get_close_matches(key, _DEFAULTS, n=1, cutoff=0.3)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise ConfigError(f"{origins[key].removesuffix(f': {key}')}: unknown key `{key}`{hint}")
        section, _, name = key.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[name] = value
    try:
        return msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        where = where.rstrip("`")
        if what.startswith("Invalid enum value"):
            what = f"{where} is {_choices(where)}, not `{values[where]}`"
        raise ConfigError(f"{origins.get(where, where)}: {what}") from None


def _choices(key: str) -> str:
    """Return what a setting that is a Literal may be."""
    section, _, name = key.partition(".")
    *others, last = (f"`{one}`" for one in get_args(get_type_hints(type(getattr(Settings(), section)))[name]))
    return f"{', '.join(others)} or {last}"


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and not prefix:
            yield from _flatten(value, f"{key}.")
        else:
            yield f"{prefix}{key}", value


_DEFAULTS: Final = dict(_flatten(msgspec.to_builtins(Settings())))
_SECTIONS: Final = frozenset(key.partition(".")[0] for key in _DEFAULTS if "." in key)
