"""Settings: where each value comes from, and errors that name the place and the nearest key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from memento.config import Config, load_config
from memento.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m").mkdir()
    return tmp_path / "m"


def load(folder: Path, text: str = "", flags: dict[str, Any] | None = None, **environment: str) -> Config:
    if text:
        (folder / "config.yaml").write_text(text, "utf-8")
    return load_config(flags, {"MEMENTO_HOME": str(folder), **environment})


def origin(config: Config, key: str) -> tuple[Any, str]:
    return next((value, origin) for name, value, origin in config.effective() if name == key)


def test_defaults(folder: Path) -> None:
    config = load(folder)
    assert config.db_path == folder / "memory.db"
    assert config.model_dir == folder / "models" / "all-MiniLM-L6-v2"
    assert config.policy_dir == folder / "policies"
    assert {item.origin for item in config.effective()} == {"default"}
    assert len({item.key for item in config.effective()}) == len(list(config.effective())) > 10
    assert load_config(environment={}).home == Path("~/.memento").expanduser()


def test_flags_beat_environment_beats_file_beats_defaults(folder: Path) -> None:
    key = "storage.db_path"
    text = "storage:\n  db_path: ~/file.db\nrecall:\n  limit: 3\n"
    config = load(folder, text)
    assert origin(config, key) == ("~/file.db", f"{folder / 'config.yaml'}: storage.db_path")
    assert config.db_path == Path("~/file.db").expanduser()
    assert origin(config, "recall.limit")[0] == 3
    assert origin(config, "cache.lru_size") == (1000, "default")
    config = load(folder, MEMORY_DB_PATH="/env.db")
    assert origin(config, key) == ("/env.db", "$MEMORY_DB_PATH")
    config = load(folder, flags={key: "/flag.db", "recall.limit": None}, MEMORY_DB_PATH="/env.db")
    assert origin(config, key) == ("/flag.db", "flag")
    assert origin(config, "recall.limit")[0] == 3
    assert origin(load(folder, MEMORY_DB_PATH=""), key)[0] == "~/file.db"


@pytest.mark.parametrize(
    "text", ["storage:\n", "storage: {}\n", "# nothing\n", "---\n", "storage:\n  # all out\necho: false\n"]
)
def test_empty_files_and_sections_change_nothing(folder: Path, text: str) -> None:
    assert load(folder, text).settings == load(folder.parent).settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("storage:\n  db_pth: x\n", "config.yaml: unknown key `storage.db_pth`; did you mean `storage.db_path`?"),
        ("storge:\n  db_path: x\n", "unknown key `storge.db_path`; did you mean `storage.db_path`?"),
        ("ech: true\n", "unknown key `ech`; did you mean `echo`?"),
        ("qqqqqq: 1\n", "config.yaml: unknown key `qqqqqq`"),
        ("recall:\n  limit: many\n", "config.yaml: recall.limit: Expected `int`, got `str`"),
        ("echo: 5\n", "config.yaml: echo: Expected `bool`, got `int`"),
        ("storage:\n  db_path:\n", "config.yaml: storage.db_path: Expected `str`, got `null`"),
        ("cache:\n  lru_size: {a: 1}\n", "cache.lru_size: Expected `int`, got `object`"),
        ("embedding:\n  precision: int4\n", "embedding.precision is `int8` or `fp32`, not `int4`"),
        (
            "recall:\n  index: annoy\n",
            "recall.index is `auto`, `numpy`, `faiss`, `hnsw`, `sqlite-vec` or `native`, not `ann",
        ),
        ("cache:\n  table_size: -1\n", "cache.table_size: Expected `int` >= 0"),
        ("cache:\n  lru_size: -1\n", "cache.lru_size: Expected `int` >= 0"),
        ("embedding:\n  threads: 0\n", "embedding.threads: Expected `int` >= 1"),
        ("storage:\n  backup_retention_days: -1\n", "storage.backup_retention_days: Expected `int` >= 0"),
        ("storage: 5\n", "config.yaml: storage is a section"),
        ("- a\n", "must hold sections such as `storage:`, not a list"),
        ("a: [\n", "is not valid YAML"),
        ("a: !!python/object:os.system x\n", "is not valid YAML"),
    ],
)
def test_errors_name_file_and_key(folder: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    assert message in str(caught.value)
    assert str(folder / "config.yaml") in str(caught.value)


def test_a_flag_or_variable_that_makes_no_sense_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"^flag: unknown key `recall.limt`; did you mean `recall.limit`\?"):
        load(folder, flags={"recall.limt": 3})
    with pytest.raises(ConfigError, match=r"flag: Expected `int`, got `str`"):
        load(folder, flags={"recall.limit": "x"})
    with pytest.raises(ConfigError, match=r"\$MEMENTO_RUST=maybe: give 1 or 0"):
        load(folder, MEMENTO_RUST="maybe")


@pytest.mark.parametrize(("text", "value"), [("1", True), ("TRUE", True), ("on", True), ("0", False), ("No", False)])
def test_truth_in_the_environment(folder: Path, text: str, value: bool) -> None:
    config = load(folder, "echo: true\n", MEMORY_ECHO=text)
    assert config.settings.echo is value
    assert origin(config, "echo")[1] == "$MEMORY_ECHO"


def test_a_file_that_cannot_be_read(folder: Path) -> None:
    (folder / "config.yaml").write_bytes(b"echo: \xff\n")
    with pytest.raises(ConfigError, match=r"cannot read .*config\.yaml"):
        load(folder)
    (folder / "config.yaml").unlink()
    (folder / "config.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"cannot read .*config\.yaml"):
        load(folder)
