"""The source distribution holds everything that is in the repository, so that its Makefile works as it does there."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHECKOUT = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only a git checkout knows which files are tracked")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the source distribution unpacks to."""
    folder = tmp_path_factory.mktemp("sdist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder], cwd=ROOT, check=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


@CHECKOUT
def test_every_tracked_file_is_in_it(unpacked: Path) -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    missing = [
        name for name in tracked.split("\0") if name and (ROOT / name).exists() and not (unpacked / name).exists()
    ]
    assert missing == []


@CHECKOUT
def test_nothing_that_git_ignores_is_in_it(unpacked: Path) -> None:
    names = [str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()]
    ignored = subprocess.run(
        ["git", "check-ignore", "--stdin"],
        cwd=ROOT,
        input="\n".join(names),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ignored.stdout.split() == []


def test_its_makefile_knows_what_to_do(unpacked: Path) -> None:
    for target in ("test", "check", "demo", "bench", "eval-policy", "docs"):
        done = subprocess.run(["make", "-n", target], cwd=unpacked, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (target, done.stderr)


def test_every_file_that_the_makefile_names_is_in_it(unpacked: Path) -> None:
    named = set(re.findall(r"[\w./-]+/[\w-]+\.(?:py|sh|txt)\b", (unpacked / "Makefile").read_text("utf-8")))
    assert {"bench/run.py", "samples/demo.sh", "engine_native/build.txt"} <= named
    assert [name for name in named if not (unpacked / name).exists()] == []


def test_hashes_are_pinned_for_every_dependency_in_it(unpacked: Path) -> None:
    """`make setup` installs with --require-hashes: one line without a hash fails it all."""
    for name in ("constraints.txt", "engine_native/build.txt"):
        pins = re.split(r"\n(?=\S)", (unpacked / name).read_text("utf-8").strip())
        pinned = [pin for pin in pins if not pin.startswith("#")]
        assert pinned
        assert all("==" in pin and "--hash=sha256:" in pin for pin in pinned)
