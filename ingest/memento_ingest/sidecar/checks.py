"""Whether capture keeps up: the sidecar, what it has not read, and the hooks. For `memento doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import apsw

from memento.counted import counted
from memento.errors import MementoError
from memento.health import Finding, Patient
from memento.health.examination import Check, advised, broken
from memento.storage import accounts, sources
from memento.storage.accounts import SourceProgress
from memento_ingest.hooks.agents import AGENTS
from memento_ingest.hooks.install import status
from memento_ingest.sidecar.lock import holder
from memento_ingest.unread import waiting_in

_NOTABLE: Final = 3


def _sidecar(patient: Patient) -> Iterator[Finding]:
    if holder(patient.database.path) is None:
        yield advised(
            "the sidecar does not run: nothing is captured live", "`memento watch` starts it; docs/sidecar.md"
        )


def _lag(patient: Patient) -> Iterator[Finding]:
    with patient.database.read() as connection:
        waiting = waiting_in(_progress(connection), lambda path: sources.find(connection, path, 0, 0))
    if waiting.stalled:
        listed = "; ".join(waiting.examples[:_NOTABLE])
        number = counted(waiting.stalled, "source has", "sources have")
        text = f"{number} not been read to the end, for {waiting.seconds:,.0f} s at most: {listed}"
        yield broken(
            text, "start `memento watch`, or run `memento ingest` with these files; `memento status` shows more"
        )


def _progress(connection: apsw.Connection) -> Iterator[SourceProgress]:
    after = -1
    while after:
        page, after = accounts.progress(connection, max(0, after))
        yield from page


def _hooks(_patient: Patient) -> Iterator[Finding]:
    for agent in AGENTS.values():
        try:
            found = status(agent)
        except MementoError as error:  # a file that is the agent's to read: whether hooks are in it is not known
            yield advised(f"hooks of {agent.name}: {error}", "")
            continue
        if found.problems:
            problem = found.problems[0]
            yield broken(f"hooks of {agent.name}: {problem.text}", problem.remedy)


CAPTURE: Final = (Check("sidecar", _sidecar), Check("lag", _lag), Check("hooks", _hooks))
