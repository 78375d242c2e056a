"""Changing one key of config.yaml: the rest of it stays, byte for byte."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml

from memento.base.config_file import set_key
from memento.config import load_config
from memento.errors import ConfigError


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "recall:\n  index: faiss\n"),
        ("echo: true", "echo: true\nrecall:\n  index: faiss\n"),
        ("# mine\n\necho: true # yes\n", "# mine\n\necho: true # yes\nrecall:\n  index: faiss\n"),
        ("recall:\n", "recall:\n  index: faiss\n"),
        ("recall: # later\necho: true\n", None),
        (
            "recall:\n    # why\n    limit: 3\necho: true\n",
            "recall:\n    # why\n    index: faiss\n    limit: 3\necho: true\n",
        ),
        ("recall:\n  limit: 3\n  index: numpy  # exact\n", "recall:\n  limit: 3\n  index: faiss  # exact\n"),
        ("recall: {limit: 3}\n", "recall: {index: faiss, limit: 3}\n"),
        ("recall: {}\n", "recall: {index: faiss}\n"),
        ("recall: {index: 'numpy', limit: 3}\n", "recall: {index: faiss, limit: 3}\n"),
        ("é: ü\r\nrecall:\r\n  index: hnsw\r\n", "é: ü\r\nrecall:\r\n  index: faiss\r\n"),
    ],
)
def test_only_the_key_changes(tmp_path: Path, before: str, after: str | None) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(before.encode())
    set_key(path, "recall", "index", "faiss")
    now = path.read_bytes().decode()
    assert after is None or now == after
    assert yaml.safe_load(now) == {
        **(yaml.safe_load(before) or {}),
        "recall": {**((yaml.safe_load(before) or {}).get("recall") or {}), "index": "faiss"},
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    set_key(path, "recall", "index", "faiss")
    assert path.read_bytes().decode() == now


@pytest.mark.parametrize("text", ["recall: [1, 2]\n", "- a\n- b\n", "recall: 5\n", "a: [\n", "--- a: 1\n...\n"])
def test_what_cannot_be_changed_safely_stays_and_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        set_key(path, "recall", "index", "faiss")
    assert path.read_text() == text
    assert [one.name for one in tmp_path.iterdir()] == ["config.yaml"]


def test_a_missing_file_is_made_and_read(home: Path) -> None:
    set_key(home / "config.yaml", "recall", "index", "hnsw")
    assert load_config().settings.recall.index == "hnsw"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "config.yaml"
    real.write_text("echo: true\n")
    link.symlink_to(real)
    set_key(link, "recall", "index", "faiss")
    assert link.is_symlink()
    assert "index: faiss" in real.read_text()
