"""`memento service` with a manager that starts real sidecars, without one, and with one that lies."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.service.conftest import MEMENTO, eventually

if TYPE_CHECKING:
    from tests.service.conftest import User


def unit(user: User) -> Path:
    return user.home / ".config" / "systemd" / "user" / "memento.service"


def test_installed_it_runs_answers_and_logs_and_uninstalled_it_is_gone(user: User) -> None:
    user.has_session()
    user.environment["CODEX_HOME"] = str(user.home / "elsewhere")
    assert user.json("service", "status", code=3)["installed"] is False
    user.run("service", "logs", code=3)
    assert b"and runs" in user.run("service", "install").stdout
    found = user.json("service", "status")
    assert found["installed"]
    assert found["up_to_date"]
    assert found["answers"]
    assert found["sidecar"] == found["process"]
    assert found["problems"] == []
    assert found["command"] == str(user.command)  # by the link on PATH, not where it leads
    environ = Path(f"/proc/{found['process']}/environ").read_bytes().split(b"\0")
    assert f"CODEX_HOME={user.home}/elsewhere".encode() in environ
    assert any("serving on" in line for line in user.run("service", "logs").stdout.decode().splitlines())
    assert b"watching" not in user.run("service", "logs", "-n", "1").stdout
    assert b"stopped" in user.run("service", "uninstall").stdout
    assert not unit(user).exists()
    assert not list(unit(user).parent.rglob("memento*"))
    assert user.json("service", "status", code=3)["sidecar"] is None
    assert b"stopped" in user.run("service", "logs", "-n", "1").stdout


def test_installing_twice_leaves_the_process_alone(user: User) -> None:
    user.has_session()
    user.run("service", "install")
    before = user.json("service", "status")["process"]
    assert b"installed already" in user.run("service", "install").stdout
    assert user.json("service", "status")["process"] == before


def test_a_sidecar_that_does_not_answer_is_said_and_installing_starts_another(user: User) -> None:
    user.has_session()
    user.run("service", "install")
    before = user.json("service", "status")["process"]
    os.kill(before, signal.SIGSTOP)
    found = user.json("service", "status", code=1)
    assert "does not answer" in found["problems"][0]
    os.kill(before, signal.SIGCONT)
    (user.memento / "run" / "memory.db.sock").unlink()
    user.run("service", "install")
    eventually(lambda: user.json("service", "status")["answers"])


def test_a_killed_service_and_an_outdated_file_are_told_as_they_are(user: User) -> None:
    user.has_session()
    user.run("service", "install")
    os.kill(user.json("service", "status")["process"], signal.SIGKILL)
    eventually(lambda: user.json("service", "status", code=1)["sidecar"] is None)
    found = user.json("service", "status", code=1)
    assert found["state"] == "inactive"
    assert "memento service logs" in found["problems"][0]
    unit(user).write_text(unit(user).read_text().replace("Nice=5", "Nice=6"))
    found = user.json("service", "status", code=1)
    assert not found["up_to_date"]
    assert "memento service install" in found["problems"][0]
    user.run("service", "install")
    assert user.json("service", "status")["up_to_date"]


def test_a_sidecar_in_the_foreground_is_not_pushed_aside(user: User) -> None:
    user.has_session()
    watch = subprocess.Popen([user.command, "watch"], env=user.environment, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: user.json("service", "status", code=3)["sidecar"] == watch.pid)
        said = user.run("service", "install", code=1).stderr.decode()
        assert f"process {watch.pid} already watches" in said
        assert watch.poll() is None
        found = user.json("service", "status", code=1)
        assert found["sidecar"] == watch.pid
    finally:
        watch.terminate()
        watch.wait(20)
    user.run("service", "install")
    assert user.json("service", "status")["sidecar"] not in (None, watch.pid)


def test_without_a_user_session_it_says_what_to_do_and_writes_nothing(user: User) -> None:
    said = user.run("service", "install", code=1).stderr.decode()
    assert "no systemd user session" in said
    assert "memento watch" in said
    assert not unit(user).exists()
    assert "memento watch" in user.json("service", "status", code=3)["problems"][0]
    assert b"there is no service" in user.run("service", "uninstall").stdout


def test_without_systemctl_it_says_that(user: User) -> None:
    said = user.run("service", "install", code=1, PATH=str(user.home)).stderr.decode()
    assert "systemctl is not installed" in said


def test_a_dry_run_changes_nothing(user: User) -> None:
    user.has_session()
    assert b"would be installed" in user.run("service", "install", "--dry-run").stdout
    assert list(user.home.iterdir()) == []


def test_a_store_that_cannot_be_opened_is_in_the_log(user: User) -> None:
    """A service manager shows nobody what a process prints."""
    user.has_session()
    user.memento.mkdir(mode=0o700)
    user.database.write_bytes(b"this is no database" * 100)
    said = user.run("service", "install", code=1).stderr.decode()
    assert "failed" in said
    assert b"ended: " in user.run("service", "logs").stdout


def test_following_the_log_ends_with_ctrl_c(user: User) -> None:
    log = user.memento / "logs" / "watch.log"
    log.parent.mkdir(parents=True, mode=0o700)
    log.write_text("one\n")
    following = subprocess.Popen(
        [user.command, "service", "logs", "-f"], env=user.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert following.stdout is not None
    assert following.stdout.readline() == b"one\n"
    time.sleep(0.5)
    with log.open("a") as file:
        file.write("two\n")
    assert following.stdout.readline() == b"two\n"
    following.send_signal(signal.SIGINT)
    _, error = following.communicate(timeout=20)
    assert (following.returncode, b"Traceback" in error) == (130, False)


def test_it_survives_an_upgrade_that_moves_what_its_path_leads_to(user: User, tmp_path: Path) -> None:
    """As `pipx` upgrades: the link on PATH stays, and leads to another environment."""
    user.has_session()
    user.run("service", "install")
    before = user.json("service", "status")["process"]
    newer = tmp_path / "environment-2" / "memento"
    newer.parent.mkdir()
    newer.write_bytes(MEMENTO.read_bytes())
    newer.chmod(0o755)
    user.command.unlink()
    user.command.symlink_to(newer)
    assert user.json("service", "status")["up_to_date"]
    subprocess.run(
        [user.command.with_name("systemctl"), "restart", "memento.service"], env=user.environment, check=True
    )
    found = user.json("service", "status")
    assert found["process"] != before
    assert found["answers"]
    assert str(user.command) in Path(f"/proc/{found['process']}/cmdline").read_text()
