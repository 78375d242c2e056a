"""launchd and the Task Scheduler: which commands are given, and how their answers are read.

Neither is on the machine that tests: programs of their names print what those print.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from memento_app.service.launchd import LABEL, Launchd
from memento_app.service.program import ServiceError
from memento_app.service.scheduled_task import ScheduledTask

LOADED = """gui/501/memento.watch = {
	active count = 1
	path = /Users/me/Library/LaunchAgents/memento.watch.plist
	type = LaunchAgent
	state = running

	program = /Users/me/.local/bin/memento
	pid = 4711
	last exit code = (never exited)

	endpoints = {
		state = active
	}
}
"""
ENDED = (
    LOADED.replace("state = running", "state = not running")
    .replace("\tpid = 4711\n", "")
    .replace("(never exited)", "1")
)
QUERIED = "HostName:      PC\r\nTaskName:      \\Memento\r\nStatus:        Running\r\nLast Result:   267009\r\n"


class Fake:
    """A program of some name, first on PATH: notes how it is called, and answers as it is told."""

    def __init__(self, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._calls, self._answers = folder / "calls", folder / "answers"
        self._calls.touch()
        self._answers.mkdir()
        script = folder / name
        script.write_text(
            f'#!/bin/sh\necho "$@" >> {self._calls}\n'
            f'[ ! -f "{self._answers}/$1.sh" ] || sh "{self._answers}/$1.sh"\n'
            f'[ -f "{self._answers}/$1" ] || exit 0\ncat "{self._answers}/$1"\n[ ! -f "{self._answers}/$1.fails" ]\n'
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        monkeypatch.setenv("HOME", str(folder))

    def answers(self, verb: str, text: str, *, fails: bool = False) -> None:
        verb = verb.removeprefix("/")
        (self._answers / verb).write_text(text)
        (self._answers / f"{verb}.fails").unlink(missing_ok=True)
        if fails:
            (self._answers / f"{verb}.fails").touch()

    def ends_what_print_says(self, verb: str) -> None:
        """Let `print` fail from the second time on after this verb was called: what is unloaded goes in its time."""
        looked, fails = self._answers / "looked", self._answers / "print.fails"
        (self._answers / f"{verb}.sh").write_text(f"touch {looked}\n")
        (self._answers / "print.sh").write_text(
            f'[ -f "{looked}" ] || exit 0\n[ ! -f "{looked}.once" ] || touch {fails}\ntouch {looked}.once\n'
        )

    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines()


@pytest.fixture
def launchctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    monkeypatch.setattr("os.getuid", lambda: 501)
    return Fake(tmp_path, "launchctl", monkeypatch)


@pytest.fixture
def schtasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    return Fake(tmp_path, "schtasks", monkeypatch)


def test_launchd_says_what_runs_and_how_it_ended(launchctl: Fake) -> None:
    launchctl.answers("print", LOADED)
    assert Launchd().state()[:2] == ("running", 4711)
    launchctl.answers("print", ENDED)
    state = Launchd().state()
    assert (state.word, state.process, state.detail) == ("not running", None, "last exit code 1")
    launchctl.answers("print", "Could not find service", fails=True)
    assert Launchd().state().word == "not loaded"


def test_launchd_loads_an_agent_once_and_again(launchctl: Fake) -> None:
    launchctl.answers("print", "Could not find service", fails=True)
    Launchd().start()
    plist = str(Launchd().file())
    assert plist.endswith(f"Library/LaunchAgents/{LABEL}.plist")
    start = [f"enable gui/501/{LABEL}", f"bootstrap gui/501 {plist}"]
    assert launchctl.calls() == [f"print gui/501/{LABEL}", *start]
    launchctl.answers("print", LOADED)
    launchctl.ends_what_print_says("bootout")
    Launchd().start()
    looks = [f"print gui/501/{LABEL}"]
    assert launchctl.calls()[3:] == [*looks, f"bootout gui/501/{LABEL}", *looks, *looks, *start]


def test_a_session_that_is_not_there_is_said(launchctl: Fake) -> None:
    launchctl.answers("print", "Bad request.\nCould not find domain for gui", fails=True)
    assert "no launchd session" in Launchd().missing()
    launchctl.answers("print", "gui/501 = {")
    assert Launchd().missing() == ""


def test_a_refusal_is_an_error_that_quotes_it(launchctl: Fake) -> None:
    launchctl.answers("print", "x", fails=True)
    launchctl.answers("bootstrap", "Bootstrap failed: 5: Input/output error", fails=True)
    with pytest.raises(ServiceError, match="Bootstrap failed: 5"):
        Launchd().start()


def test_a_task_is_registered_run_and_read(schtasks: Fake) -> None:
    ScheduledTask().start()
    assert schtasks.calls() == [f"/Create /TN Memento /XML {ScheduledTask().file()} /F", "/Run /TN Memento"]
    schtasks.answers("/Query", QUERIED)
    state = ScheduledTask().state()
    assert (state.running, state.detail) == (True, "last result 267009")
    schtasks.answers("/Query", "ERROR: The system cannot find the file specified.", fails=True)
    assert ScheduledTask().state().word == "not registered"


def test_a_task_is_ended_before_it_is_deleted(schtasks: Fake) -> None:
    ScheduledTask().stop()
    assert schtasks.calls() == ["/End /TN Memento", "/Query /TN Memento", "/Delete /TN Memento /F"]


def test_where_neither_is_installed_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "launchctl is not installed" in Launchd().missing()
    assert "schtasks is not installed" in ScheduledTask().missing()
