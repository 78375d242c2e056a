"""A real terminal, hostile names and texts: nothing of them acts on it, and rich's own colours still do."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.conftest import Cli

from memento.health import healings as record
from memento.health.healings import Healing

NAME = "no\nmemento: FORGED\x1b[2J\x1b]0;title\x07\u009b2J\u202e" + os.fsdecode(b"\xff\x9b")
TEXT = (
    "We decided the probe is \u009b31mred\u009b0m and \u202eexe.gpj\u202c \x1b[5m[bold]x[/bold] :smile:, remember this."
)
COLOURS = re.compile(r"\x1b\[[\d;]*m")
PROGRESS = re.compile(r"\x1b\[(\?25[lh]|\d*[AK]|2K)|\x1b\[[\d;]*m")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Return the command line with a store of hostile texts from a file of a hostile name."""
    folder = tmp_path_factory.mktemp("hostile") / NAME
    folder.mkdir()
    memento = Cli(folder.parent / "home", folder / "no-model")
    (folder / f"{NAME}.jsonl").write_text(json.dumps({"role": "user", "content": TEXT}) + '\n{"role": "user", "cont\n')
    memento("ingest", folder, code=0)
    return memento


def hidden(shown: str, own: re.Pattern[str] = COLOURS) -> set[str]:
    return {one for one in own.sub("", shown) if not one.isprintable() and one not in "\r\n"}


@pytest.mark.parametrize(
    "command",
    ["status", "recall probe", "recall probe --json", "recent", "quarantine", "quarantine --json", "export", "config"],
)
def test_nothing_acts_on_the_terminal(command: str, hostile: Cli) -> None:
    code, shown = hostile.on_terminal(*command.split())
    assert not hidden(shown), shown
    assert not re.search(r"^memento: FORGED", shown, re.MULTILINE)
    assert code == 0
    if command == "recall probe":
        assert r"[bold]x[/bold] :smile:" in re.sub(r"\s+", " ", COLOURS.sub("", shown))
        assert COLOURS.search(shown), "the table's own colours are there"


def test_progress_and_problems_of_an_ingest(hostile: Cli, tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / f"two{NAME}.jsonl").write_text(json.dumps({"role": "user", "content": TEXT}) + "\n")
    _, shown = hostile.on_terminal("ingest", tmp_path / NAME, tmp_path / f"gone{NAME}", "--verbose")
    assert not hidden(shown, PROGRESS), shown
    assert not re.search(r"^memento: FORGED", shown, re.MULTILINE)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize(
    "command", [[NAME], [f"--{NAME}"], ["recall", f"--{NAME}"], ["stats", "--limit", NAME], ["why", NAME]]
)
def test_arguments_come_back_escaped(command: list[str], encoding: str, memento: Cli) -> None:
    memento.environment["PYTHONIOENCODING"] = encoding
    done = subprocess.run(memento.command(*command), env=memento.environment, capture_output=True, check=False)
    shown = (done.stdout + done.stderr).decode(encoding)
    assert not hidden(shown), shown
    assert "\nmemento: FORGED" not in shown
    assert done.returncode in (2, 3)


def test_json_is_lossless_in_every_encoding(hostile: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding in ("utf-8", "ascii"):
        monkeypatch.setitem(hostile.environment, "PYTHONIOENCODING", encoding)
        assert hostile("recall", "probe", "--json").json["results"][0]["text"] == TEXT
        assert hostile("export").json[0]["text"] == TEXT


def test_the_log_of_the_sidecar(memento: Cli, tmp_path: Path) -> None:
    log, until = tmp_path / "log", time.monotonic() + 60
    with log.open("wb") as file:
        process = memento.start("watch", tmp_path / f"later{NAME}", tmp_path, stderr=file)
    while "watching" not in log.read_text("utf-8") and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    said = log.read_text("utf-8")
    assert "is not there yet" in said
    assert not hidden(said), said
    assert all(line.startswith("memento: ") and line[:15] != "memento: FORGED" for line in said.splitlines())


@pytest.mark.parametrize("columns", [10, 30, 60])
def test_a_narrow_terminal_leaves_no_column_out(columns: int, hostile: Cli) -> None:
    _, shown = hostile.on_terminal("recent", columns=columns)
    assert {"id", "when", "who", "what"} <= {*COLOURS.sub("", shown).split()}
    assert "probe" in shown
    _, shown = hostile.on_terminal("status", columns=columns)
    assert "last event" in shown
    assert "FORGED" in re.sub(r"\s+", "", COLOURS.sub("", shown))


def test_a_desktop_notification(memento: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = tmp_path / "shown"
    command = tmp_path / "notify-send"
    command.write_text(f'#!/bin/sh\nprintf "%s|" "$@" > "{shown}"\n')
    command.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("DISPLAY", ":0")
    record.notify_desktop(Healing(0, f"<b>bold</b> & {NAME}", "backup"))
    said = shown.read_text()
    assert said.startswith("--|Memento|")
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; no\\nmemento" in said
    assert not hidden(said)


def test_a_traceback_is_escaped_too(memento: Cli, tmp_path: Path) -> None:
    code = (
        "import sys, warnings\n"
        "from memento_app.cli.output import guard_streams\n"
        "guard_streams()\n"
        "warnings.warn('w\\x1b[2J')\n"
        "print('p\\x1b[2J'); sys.stdout.buffer.flush()\n"
        "raise RuntimeError('\\x1b[2J\\u202e')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=memento.environment, capture_output=True, check=False)
    shown = (done.stdout + done.stderr).decode()
    assert not hidden(shown), shown
    assert shown.count(r"\x1b[2J") >= 3
