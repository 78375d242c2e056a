"""What can be proven of the container image without building it; no network, no Docker."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from tests.service.conftest import eventually

if TYPE_CHECKING:
    from tests.service.conftest import User

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "integrations" / "container"


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with their arguments, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (FOLDER / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def copied() -> list[str]:
    """Return what the first stage copies from the context."""
    return [
        name for word, rest in instructions() if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]
    ]


def test_the_image_runs_debians_python_as_a_user_with_a_volume_and_a_health_check() -> None:
    found = instructions()
    assert [rest.split()[0] for word, rest in found if word == "FROM"] == ["debian:bookworm-slim"] * 2
    last = dict(found)
    assert last["USER"] == "memento"
    assert last["VOLUME"] == "/data"
    assert "healthcheck.py" in last["HEALTHCHECK"]
    assert not any(word == "EXPOSE" for word, _ in found)
    assert any("--require-hashes" in rest for word, rest in found if word == "RUN")


def test_what_is_copied_is_there_and_is_enough_to_build_the_package(tmp_path: Path) -> None:
    context = tmp_path / "src"
    context.mkdir()
    for name in copied():
        source, target = ROOT / name, context / Path(name).name
        assert source.exists(), name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, tmp_path], cwd=context, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        names = wheel.namelist()
    for package in ("memento", "memento_ingest", "memento_policies", "memento_app"):
        assert f"{package}/__init__.py" in names


def test_the_context_leaves_out_everything_else() -> None:
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().split()
    assert ignored[0] == "*"
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert all(any(name == one or name.startswith(f"{one}/") for one in kept) for name in copied())


def test_only_what_development_needs_is_left_out() -> None:
    done = subprocess.run(
        [sys.executable, FOLDER / "unneeded.py", "memento-memory"], capture_output=True, text=True, check=True
    )
    unneeded = set(done.stdout.split())
    assert {"pytest", "mypy", "ruff", "hypothesis", "hatchling"} <= unneeded
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [one.partition(">=")[0] for one in project["dependencies"]]
    assert "apsw" in declared
    assert not unneeded & {*declared, "memento-memory", "click", "h11", "rich", "pydantic-core"}


def test_compose_gives_the_container_nothing_it_does_not_need() -> None:
    service: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["memento"]
    assert service["network_mode"] == "none"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "ports" not in service
    assert (FOLDER / service["build"]["context"]).resolve() == ROOT
    mounts = [one for one in service["volumes"] if isinstance(one, dict)]
    assert mounts
    assert all(one["read_only"] and not one["bind"]["create_host_path"] for one in mounts)


def test_the_health_check_tells_a_sidecar_that_answers_from_one_that_does_not(user: User) -> None:
    command: list[str | Path] = [sys.executable, FOLDER / "healthcheck.py"]

    def code() -> int:
        return subprocess.run(command, env=user.environment, capture_output=True, check=False).returncode

    assert code() == 1
    watch = subprocess.Popen([user.command, "watch"], env=user.environment, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: code() == 0)
    finally:
        watch.terminate()
        watch.wait(20)
    assert code() == 1
