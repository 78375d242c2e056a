"""Installing, removing and looking at the service, whichever manager there is."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from memento import __version__
from memento.base import durable
from memento.config import Config
from memento.errors import MementoError
from memento_app.service.launchd import Launchd
from memento_app.service.manager import Manager, State
from memento_app.service.program import Program, ServiceError, program
from memento_app.service.scheduled_task import ScheduledTask
from memento_app.service.systemd import Systemd
from memento_ingest.server.client import kept
from memento_ingest.sidecar.lock import holder

_START_SECONDS: Final = 30.0
INSTEAD: Final = "`memento watch` does the same while it runs"


class NoManager(ServiceError):
    """No service manager can be used here."""


@dataclass(frozen=True)
class ServiceStatus:
    """What is true of the service now."""

    manager: str
    file: str
    installed: bool
    up_to_date: bool
    """Whether the file is what this version, with these settings, would write."""
    command: str
    state: str
    process: int | None
    """The process that the manager started."""
    detail: str
    sidecar: int | None
    """The process that holds the store's lock, whoever started it."""
    answers: bool
    """Whether a sidecar of this very version answers for the store."""
    problems: tuple[str, ...]

    @property
    def works(self) -> bool:
        """Whether the service runs, and it is the one that serves the store."""
        is_its_own = self.state == "running" and self.process in (None, self.sidecar)  # Windows names no process
        return self.installed and self.sidecar is not None and is_its_own and self.answers

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "problems": list(self.problems), "version": __version__}


def service_manager() -> Manager:
    """Return the service manager of this kind of system, whether it can be used or not."""
    kinds: dict[str, type[Manager]] = {"darwin": Launchd, "win32": ScheduledTask}
    return kinds.get(sys.platform, Systemd)()


def usable_manager() -> Manager:
    """Return the service manager. Raises NoManager, naming what to do instead."""
    manager = service_manager()
    if why := manager.missing():
        raise NoManager(f"no service can be installed here: {why}; {INSTEAD}")
    return manager


def is_current(manager: Manager, what: Program) -> bool:
    """Tell whether the service's file is there and is what would be written now."""
    return _read(manager.file()) == manager.content(what)


def write_definition(manager: Manager, what: Program) -> bool:
    """Write the service's file; return whether that changed it. Raises ServiceError."""
    content = manager.content(what)
    if _read(manager.file()) == content:
        return False
    try:
        manager.file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.replace(manager.file(), content)
    except OSError as error:
        raise ServiceError(f"{manager.file()}: cannot be written: {error.strerror}") from None
    return True


def install(config: Config, *, dry_run: bool = False) -> str:
    """Install the service and start it; return what was done. Twice changes nothing.

    A sidecar that does not answer, or is of another version, is started again. Raises NoManager, ServiceError.
    """
    manager, what = usable_manager(), program(config)
    if dry_run:
        done = "is installed already" if is_current(manager, what) else "would be installed"
        return f"the service {done} in {manager.file()}"
    changed = write_definition(manager, what)
    state = manager.state()
    running = holder(config.db_path)
    if running is not None and running != state.process and not (state.running and state.process is None):
        raise ServiceError(
            f"{manager.file()} is in place, but process {running} already watches for {config.db_path}: stop it "
            f"(kill {running}), then run `memento service install` again"
        )
    if not changed and state.running and kept(config.db_path) is not None:
        return f"the service is installed already in {manager.file()} and runs"
    manager.start()
    _await_sidecar(config)
    return f"the service is installed in {manager.file()} and runs"


def _await_sidecar(config: Config) -> None:
    """Wait until a sidecar holds the store: not every manager says whether what it started goes on."""
    until = time.monotonic() + _START_SECONDS
    while holder(config.db_path) is None:
        if time.monotonic() > until:
            raise ServiceError(
                f"the service was started, and no sidecar runs for {config.db_path}: `memento service logs` says why"
            )
        time.sleep(0.1)


def uninstall(config: Config, *, dry_run: bool = False) -> str:
    """Stop the service and remove its file; return what was done. Raises ServiceError."""
    manager = service_manager()
    if not manager.file().exists():
        return f"there is no service in {manager.file()}"
    if dry_run:
        return f"the service in {manager.file()} would be stopped and removed"
    if why := manager.missing():  # it cannot run either: its file is all there is
        manager.file().unlink()
        return f"removed {manager.file()} ({why})"
    manager.stop()
    manager.file().unlink(missing_ok=True)
    manager.removed()
    return f"the service is stopped and {manager.file()} removed"


def status(config: Config) -> ServiceStatus:
    """Return what is true of the service. A manager that does not answer is one of its problems, and no error."""
    manager, problems = service_manager(), list[str]()
    content = _read(manager.file())
    what, expected = None, None
    try:
        what = program(config)
        expected = manager.content(what)
    except MementoError as error:
        problems.append(str(error))
    state = State("unknown")
    if why := manager.missing():
        problems.append(f"{why}; {INSTEAD}")
    else:
        try:
            state = manager.state()
        except ServiceError as error:
            problems.append(str(error))
    running, answers = holder(config.db_path), kept(config.db_path) is not None
    if content is not None:
        problems += _problems(config, state, running, is_current=content == expected, answers=answers)
    return ServiceStatus(
        manager.name,
        str(manager.file()),
        content is not None,
        content is not None and content == expected,
        str(what.path) if what else "",
        state.word,
        state.process,
        state.detail,
        running,
        answers,
        tuple(problems),
    )


def _problems(config: Config, state: State, running: int | None, *, is_current: bool, answers: bool) -> list[str]:
    """Return what is wrong with an installed service, each with its remedy."""
    found: list[str] = []
    if not is_current:
        found.append(
            "the installed service differs from what this version would install: run `memento service install`"
        )
    if running is None:
        found.append(f"no sidecar runs for {config.db_path}: `memento service logs` says why it ended")
    elif not state.running or state.process not in (None, running):
        found.append(f"process {running} watches for {config.db_path}, and it is not the service's: stop it")
    elif running is not None and not answers:
        found.append(
            "the sidecar does not answer, or is of another version than this command: `memento service install` "
            "starts it again"
        )
    return found


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ServiceError(f"{path}: cannot be read: {error.strerror}") from None
