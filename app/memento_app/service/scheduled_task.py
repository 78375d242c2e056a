"""A task of the Windows Task Scheduler that starts at logon.

Source: the Task Scheduler Schema and schtasks at learn.microsoft.com. A task has no environment of its own: the
sidecar gets the user's.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from memento.base.home import memento_home
from memento_app.service.manager import State, ask, pairs, tell
from memento_app.service.program import Program, ServiceError

TASK: Final = "Memento"
_NAMESPACE: Final = "http://schemas.microsoft.com/windows/2004/02/mit/task"
_NO_LIMIT: Final = "PT0S"
_SETTINGS: Final = {
    "MultipleInstancesPolicy": "IgnoreNew",
    "DisallowStartIfOnBatteries": "false",
    "StopIfGoingOnBatteries": "false",
    "StartWhenAvailable": "true",
    "Hidden": "true",
    "ExecutionTimeLimit": _NO_LIMIT,
    "Priority": "8",
}


class ScheduledTask:
    """The Windows Task Scheduler."""

    name = "Task Scheduler"

    def missing(self) -> str:
        """Return why the Task Scheduler cannot be asked; empty when it can."""
        try:
            ask("schtasks", "/Query", "/?")
        except ServiceError as error:
            return str(error)
        return ""

    def file(self) -> Path:
        """Return the definition that the task was made from; the Task Scheduler keeps a copy of its own."""
        return memento_home() / "service" / "memento-task.xml"

    def content(self, program: Program) -> bytes:
        """Return the definition."""
        ElementTree.register_namespace("", _NAMESPACE)
        task = _element(None, "Task", version="1.2")
        _element(_element(task, "RegistrationInfo"), "Description", "Memento: keeps what matters of transcripts")
        trigger = _element(_element(task, "Triggers"), "LogonTrigger")
        _element(trigger, "Enabled", "true")
        user = os.environ.get("USERNAME", "")
        if user:
            domain = os.environ.get("USERDOMAIN", "")
            _element(trigger, "UserId", f"{domain}\\{user}" if domain else user)
        principal = _element(_element(task, "Principals"), "Principal", id="Author")
        _element(principal, "LogonType", "InteractiveToken")
        _element(principal, "RunLevel", "LeastPrivilege")
        settings = _element(task, "Settings")
        for name, value in _SETTINGS.items():
            _element(settings, name, value)
        restart = _element(settings, "RestartOnFailure")
        _element(restart, "Interval", "PT1M")
        _element(restart, "Count", "255")
        action = _element(_element(task, "Actions", Context="Author"), "Exec")
        _element(action, "Command", str(program.path))
        _element(action, "Arguments", subprocess.list2cmdline(program.arguments))
        ElementTree.indent(task)
        content: bytes = ElementTree.tostring(task, encoding="utf-16")
        return content

    def start(self) -> None:
        """Register the task and run it."""
        tell("schtasks", "/Create", "/TN", TASK, "/XML", str(self.file()), "/F")
        tell("schtasks", "/Run", "/TN", TASK)

    def stop(self) -> None:
        """End the task and delete it."""
        ask("schtasks", "/End", "/TN", TASK)
        if ask("schtasks", "/Query", "/TN", TASK).code == 0:
            tell("schtasks", "/Delete", "/TN", TASK, "/F")

    def removed(self) -> None:
        """Do nothing: the task was deleted when it was stopped."""

    def state(self) -> State:
        """Return the task's state."""
        done = ask("schtasks", "/Query", "/TN", TASK, "/FO", "LIST", "/V")
        if done.code:
            return State("not registered")
        found = pairs(done.text, ":")
        word = found.get("Status", "unknown").lower()
        return State(word, None, f"last result {found['Last Result']}" if "Last Result" in found else "")


def _element(
    parent: ElementTree.Element | None, name: str, text: str | None = None, **attributes: str
) -> ElementTree.Element:
    tag = f"{{{_NAMESPACE}}}{name}"
    made = ElementTree.Element(tag, attributes) if parent is None else ElementTree.SubElement(parent, tag, attributes)
    made.text = text
    return made
