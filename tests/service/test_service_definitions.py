"""What is written for each service manager, as that manager's own tools and formats read it."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from memento_app.service.launchd import LABEL, Launchd
from memento_app.service.program import CARRIED, Program, ServiceError, stable_path
from memento_app.service.scheduled_task import ScheduledTask
from memento_app.service.systemd import Systemd
from memento_ingest.locations import places

MEMENTO = Path(sys.executable).with_name("memento")
ODD = {"MEMENTO_HOME": '/home/me/a "b" 100% $HOME \\x', "CODEX_HOME": "/home/mé/.codex"}


def odd_program(folder: Path) -> Program:
    """Return a program whose paths hold what systemd, XML and shells read in their own way."""
    path = folder / "with space & 50%" / "memento"
    path.parent.mkdir(parents=True)
    path.symlink_to(MEMENTO)
    return Program(path, folder / "logs <1>" / "watch.log", ODD)


needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")


def verified(content: bytes, folder: Path) -> tuple[int, str]:
    """Return what `systemd-analyze verify` says of a unit: its exit code, and what it printed."""
    unit = folder / "memento.service"
    unit.write_bytes(content)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "HOME": str(folder)}
    command: list[str | Path] = ["systemd-analyze", "--user", "verify", unit]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stdout + done.stderr


@needs_systemd
def test_systemd_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    for program in (Program(MEMENTO, tmp_path / "watch.log", {"MEMENTO_HOME": "/x"}), odd_program(tmp_path)):
        assert verified(Systemd().content(program), tmp_path) == (0, "")


@needs_systemd
def test_systemd_complains_about_a_unit_that_is_wrong(tmp_path: Path) -> None:
    content = Systemd().content(Program(MEMENTO, tmp_path / "watch.log"))
    assert "NoNewPrivilege" in verified(content.replace(b"NoNewPrivileges", b"NoNewPrivilege"), tmp_path)[1]
    assert verified(content.replace(str(MEMENTO).encode(), b"/gone/memento"), tmp_path)[0] != 0


def test_a_unit_notifies_is_watched_and_is_hardened(tmp_path: Path) -> None:
    text = Systemd().content(Program(MEMENTO, tmp_path / "watch.log")).decode()
    lines = text.splitlines()
    for line in ("Type=notify", "WatchdogSec=300", "NoNewPrivileges=yes", "UMask=0077", "Restart=on-failure"):
        assert line in lines
    assert f'ExecStart="{MEMENTO}" "watch" "--log" "{tmp_path}/watch.log"' in lines


def test_a_control_character_is_refused_rather_than_written(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="control character"):
        Systemd().content(Program(MEMENTO, tmp_path / "a\nExecStartPre=/bin/evil"))


def test_launchd_reads_the_agent_back_as_it_was_meant(tmp_path: Path) -> None:
    program = odd_program(tmp_path)
    agent = plistlib.loads(Launchd().content(program))
    assert agent["Label"] == LABEL
    assert agent["ProgramArguments"] == [str(program.path), "watch", "--log", str(program.log)]
    assert agent["EnvironmentVariables"] == ODD
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["Umask"] == 0o077


def test_a_task_is_the_xml_of_the_task_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USERNAME", "me & you")
    monkeypatch.setenv("USERDOMAIN", "PC")
    program = odd_program(tmp_path)
    content = ScheduledTask().content(program)
    assert content.startswith((b"\xff\xfe", b"\xfe\xff"))  # schtasks wants UTF-16 with its mark
    task = ElementTree.fromstring(content)
    names = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}
    assert task.tag == f"{{{names['t']}}}Task"
    assert task.findtext("t:Actions/t:Exec/t:Command", namespaces=names) == str(program.path)
    assert task.findtext("t:Actions/t:Exec/t:Arguments", namespaces=names) == f'watch --log "{program.log}"'
    assert task.findtext("t:Triggers/t:LogonTrigger/t:UserId", namespaces=names) == "PC\\me & you"
    assert task.findtext("t:Settings/t:ExecutionTimeLimit", namespaces=names) == "PT0S"
    assert 1 <= int(task.findtext("t:Settings/t:RestartOnFailure/t:Count", "", names)) <= 255  # an unsignedByte
    order = [child.tag.partition("}")[2] for child in task]
    assert order == ["RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"]


def test_the_command_is_called_by_the_link_that_an_upgrade_keeps(tmp_path: Path) -> None:
    """As `pipx` lays it out: a link in a folder of PATH to the environment that an upgrade makes again."""
    versioned = tmp_path / "venvs" / "memento-0.1.0" / "bin" / "memento"
    link = tmp_path / "bin" / "memento"
    for path in (versioned, link):
        path.parent.mkdir(parents=True)
    versioned.write_text("#!/bin/sh\n")
    versioned.chmod(0o755)
    link.symlink_to(versioned)
    environment = {"PATH": str(link.parent), "HOME": str(tmp_path / "home")}
    assert stable_path(versioned, environment) == link
    assert stable_path(versioned, {**environment, "PATH": "/nowhere"}) == versioned


def test_a_command_in_a_cache_is_refused(tmp_path: Path) -> None:
    script = tmp_path / ".cache" / "uv" / "archive-v0" / "x" / "bin" / "memento"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    with pytest.raises(ServiceError, match="pipx install"):
        stable_path(script, {"PATH": "/nowhere", "HOME": str(tmp_path)})


def test_every_variable_that_moves_an_agents_folder_is_carried_into_the_service(tmp_path: Path) -> None:
    """The service must look where the user's shell says that the agents keep their files."""

    asked: set[str] = set()

    class Environment(dict[str, str]):
        def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
            asked.add(name)
            return default

    places(tmp_path, Environment(), "linux")
    assert "CODEX_HOME" in asked
    assert asked <= set(CARRIED)
