"""What doctor, the jobs and the sidecar advise is done as it is printed, and what it was about is gone."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

MEMENTO = Path(sys.executable).with_name("memento")


class Home:
    """Memento in a home of its own, as a user at a shell has it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "memento"
        self.environment = {
            "PATH": f"{MEMENTO.parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "MEMENTO_HOME": str(self.home),
            "MEMENTO_MODEL_DIR": str(folder / "no-model"),
        }
        self.started: list[subprocess.Popen[str]] = []

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, shell=True, env=self.environment, capture_output=True, text=True)

    def finding(self, check: str) -> dict[str, Any]:
        """Return what doctor finds first under this name."""
        done = self.run("memento doctor --json")
        return next(one for one in json.loads(done.stdout) if one["check"] == check)

    def configure(self, text: str) -> None:
        (self.home / "config.yaml").write_text(text)

    def watch(self, wanted: str, *paths: Path) -> str:
        """Run the sidecar until it says something; return all that it said."""
        log = self.folder / f"log{len(self.started)}"
        with log.open("w") as file:
            command = [str(one) for one in (MEMENTO, "watch", *(paths or (self.folder / "transcripts",)))]
            self.started.append(subprocess.Popen(command, env=self.environment, stderr=file, text=True))
        give_up = time.monotonic() + 30
        while wanted not in log.read_text():
            assert time.monotonic() < give_up, log.read_text()
            time.sleep(0.05)
        return log.read_text()

    def stop(self) -> None:
        for one in self.started:
            one.terminate()
            one.wait(20)
        self.started.clear()


@pytest.fixture
def used(tmp_path: Path) -> Iterator[Home]:
    used = Home(tmp_path)
    (tmp_path / "transcripts").mkdir()
    assert used.run("memento remember 'The lamp is green.'").returncode == 0
    yield used
    used.stop()


def commands(advice: str) -> list[str]:
    """Return the commands of an advice, in its order."""
    return re.findall(r"`(memento [^`]+)`", advice)


def test_there_is_no_backup_yet(used: Home) -> None:
    advice = used.finding("backups")["advice"]
    assert used.run(commands(advice)[0]).returncode == 0
    assert used.finding("backups")["level"] == "ok"


def test_backups_are_switched_off(used: Home) -> None:
    used.configure("storage: {backup_enabled: false}\n")
    assert used.finding("backups")["advice"] == "set storage.backup_enabled to true"
    used.configure("storage: {backup_enabled: true}\n")
    assert "no backup yet" in used.finding("backups")["text"]


def damage(used: Home) -> None:
    used.run("memento jobs run checkpoint")
    path = used.home / "memory.db"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"The lamp is green.", b"The lamp is blue!!"))


@pytest.mark.parametrize("number", [0, 1], ids=["--latest", "--salvage"])
def test_a_damaged_store(used: Home, number: int) -> None:
    used.configure("storage: {auto_restore: false}\n")
    if number == 0:
        assert used.run("memento backup").returncode == 0
    damage(used)
    assert used.run("memento jobs run full-health").returncode == 1
    found = used.finding("rows")
    assert found["level"] == "broken"
    done = used.run(commands(found["advice"])[number])
    assert done.returncode == 0, done.stderr
    assert used.finding("rows")["level"] == "ok"
    kept = used.run("memento recent").stdout
    assert "The lamp is green." in kept  # from the backup, or from the journal


def test_the_sidecar_does_not_run(used: Home) -> None:
    assert commands(used.finding("sidecar")["advice"])[0] == "memento watch"
    used.watch("follows")
    assert used.finding("sidecar")["level"] == "ok"


def test_unread_sources(used: Home) -> None:
    source = used.folder / "transcripts" / "t.jsonl"
    line = {"type": "user", "uuid": "u-1", "sessionId": "s", "message": {"role": "user", "content": "We use pier 4."}}
    source.write_text(json.dumps(line) + "\n")
    assert used.run(f"memento ingest {source}").returncode == 0
    source.write_text(source.read_text() + json.dumps({**line, "uuid": "u-2"}) + "\n")
    os.utime(source, (time.time() - 300,) * 2)
    found = used.finding("lag")
    assert found["level"] == "broken"
    assert commands(found["advice"])[:2] == ["memento watch", "memento ingest"]
    assert used.run(f"memento ingest {source}").returncode == 0
    assert used.finding("lag")["level"] == "ok"


def test_hooks_that_were_changed(used: Home) -> None:
    settings = used.folder / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text("{}")
    assert used.run("memento hooks install claude-code").returncode == 0
    content = json.loads(settings.read_text())
    for entries in content["hooks"].values():
        for entry in entries:
            for hook in entry["hooks"]:
                hook["command"] = hook["command"].replace(str(MEMENTO), "/nowhere/memento")
    settings.write_text(json.dumps(content))
    found = used.finding("hooks")
    assert found["level"] == "broken"
    assert used.run(commands(found["advice"])[0]).returncode == 0
    assert used.finding("hooks")["level"] == "ok"


def test_full_health_says_what_doctor_says(used: Home) -> None:
    """Of what no job can heal, it fails with the finding and its remedy."""
    used.configure("recall: {index: faiss}\n")
    found = used.finding("index")
    done = used.run("memento jobs run full-health")
    if found["level"] == "ok":  # faiss is installed here
        assert done.returncode == 0
        return
    assert done.returncode == 1
    assert f"{found['text']}: {found['advice']}" in done.stderr
    assert found["text"] in used.run("memento jobs --table").stdout
    used.configure("recall: {index: numpy}\n")
    assert used.run("memento jobs run full-health").returncode == 0


def test_a_second_sidecar(used: Home) -> None:
    used.watch("follows")
    second = used.run("memento watch transcripts")
    assert second.returncode == 1
    assert f"process {used.started[0].pid}) already watches for" in second.stderr
    assert "stop it first" in second.stderr
    used.stop()
    used.watch("follows")


def free(used: Home) -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_a_port_that_is_taken(used: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        used.configure(f"server: {{tcp: true, port: {taken.getsockname()[1]}}}\n")
        assert "choose another server.port" in used.watch("only the Unix socket serves")
        used.stop()
        used.configure(f"server: {{tcp: true, port: {free(used)}}}\n")
        assert "serving on http://127.0.0.1:" in used.watch("serving on http")


@pytest.mark.parametrize(
    ("spoil", "remedy"),
    [
        (lambda token: token.chmod(0o644), "remove it, a new one is made"),
        (lambda token: token.write_text("short\n"), "remove the file, a new one is made"),
    ],
    ids=["open", "short"],
)
def test_a_token_that_is_not_safe(used: Home, spoil: Callable[[Path], object], remedy: str) -> None:
    used.configure("server: {tcp: true, port: 0}\n")
    used.watch("serving on http")
    used.stop()
    token = used.home / "server.token"
    spoil(token)
    assert remedy in used.watch("only the Unix socket serves")
    used.stop()
    token.unlink()
    used.watch("serving on http")
    assert len(token.read_text().strip()) >= 32


def test_something_stands_where_the_socket_is_to_be(used: Home) -> None:
    """It is tried again by itself: nobody needs to start the sidecar anew."""
    place = used.home / "run" / "memory.db.sock"
    place.parent.mkdir(mode=0o700)
    place.write_text("not a socket")
    assert f"{place} is no socket: move it away" in used.watch("no local server")
    place.rename(place.with_name("moved"))
    give_up = time.monotonic() + 20
    while used.run("memento status").stderr.count("server worker runs again") != 1:
        assert time.monotonic() < give_up
    assert place.is_socket()


def test_there_is_no_such_job(used: Home) -> None:
    done = used.run("memento jobs run backup")
    assert done.returncode == 2
    for name in done.stderr.strip().partition("one of ")[2].split(", "):
        assert used.run(f"memento jobs run {name}").returncode == 0, name


def test_there_is_no_store_yet(tmp_path: Path) -> None:
    fresh = Home(tmp_path)
    done = fresh.run("memento doctor")
    assert done.returncode == 1
    (tmp_path / "notes.md").write_text("# Notes\n\nWe use pier 4.\n")
    assert commands(done.stderr)[0] == "memento ingest"
    fresh.run(f"memento ingest {tmp_path / 'notes.md'}")
    assert "there is no store" not in fresh.run("memento doctor").stderr
