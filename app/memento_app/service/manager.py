"""What a service manager is asked, whichever it is, and how its commands are run."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from memento_app.service.program import Program, ServiceError

SECONDS: Final = 30.0
"""How long a manager's command may take; a start waits until the sidecar says that it is ready."""


class State(NamedTuple):
    """What the service manager says about the service."""

    word: str
    """`running`, or what the manager calls it: `inactive`, `failed`, `not loaded`, ..."""
    process: int | None = None
    detail: str = ""

    @property
    def running(self) -> bool:
        """Whether the manager has started it."""
        return self.word == "running"


class Manager(Protocol):
    """A service manager."""

    name: str

    def missing(self) -> str:
        """Return why it cannot be used here; empty when it can."""
        ...

    def file(self) -> Path:
        """Return the file that defines the service."""
        ...

    def content(self, program: Program) -> bytes:
        """Return what that file holds."""
        ...

    def start(self) -> None:
        """Take the file up and start the service, again where it runs. Raises ServiceError."""
        ...

    def stop(self) -> None:
        """Stop the service, and do not start it at the next login. Raises ServiceError."""
        ...

    def removed(self) -> None:
        """Take note that the file is gone. Raises ServiceError."""
        ...

    def state(self) -> State:
        """Return what the manager knows. Raises ServiceError."""
        ...


class Output(NamedTuple):
    """What a command left."""

    code: int
    text: str
    error: str


def ask(*command: str, seconds: float = SECONDS) -> Output:
    """Run a manager's command and return its output, whatever its exit code. Raises ServiceError."""
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=seconds, check=False)
    except FileNotFoundError:
        raise ServiceError(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise ServiceError(f"`{' '.join(command)}` gave no answer within {seconds:.0f} s") from None
    except OSError as error:
        raise ServiceError(f"`{' '.join(command)}` cannot be run: {error.strerror}") from None
    return Output(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def tell(*command: str, seconds: float = SECONDS) -> None:
    """Run a manager's command. Raises ServiceError when it fails."""
    done = ask(*command, seconds=seconds)
    if done.code:
        raise ServiceError(f"`{' '.join(command)}` failed: {reason(done)}")


def reason(done: Output) -> str:
    """Return the last line that a command said."""
    lines = [*done.text.splitlines(), *done.error.splitlines()]
    return next((line.strip() for line in reversed(lines) if line.strip()), f"exit code {done.code}")


def pairs(text: str, separator: str = "=") -> dict[str, str]:
    """Return the `name=value` lines of a command's output."""
    split: Sequence[tuple[str, str, str]] = [line.partition(separator) for line in text.splitlines()]
    return {name.strip(): value.strip() for name, found, value in split if found}
