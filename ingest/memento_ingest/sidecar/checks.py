"""Whether capture keeps up: the sidecar, its workers, what it has not read, and the hooks. For `memento doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from memento.base.counted import counted
from memento.errors import MementoError
from memento.health import CheckContext, Finding
from memento.health.checks import Check, advice_finding, broken_finding
from memento.jobs.tasks import check_all
from memento.jobs.timetable import JOBS, Job
from memento.storage import accounts, sources
from memento_ingest.hooks.agents import AGENTS
from memento_ingest.hooks.install import status
from memento_ingest.sidecar.lock import holder
from memento_ingest.sidecar.supervision import failed_workers
from memento_ingest.unread import waiting_in

_NOTABLE: Final = 3


def _sidecar(context: CheckContext) -> Iterator[Finding]:
    if holder(context.database.path) is None:
        yield advice_finding(
            "the sidecar does not run: nothing is captured live", "`memento watch` starts it; docs/sidecar.md"
        )


def _lag(context: CheckContext) -> Iterator[Finding]:
    with context.database.read() as connection:
        waiting = waiting_in(
            accounts.read_progress(context.database), lambda path: sources.find(connection, path, 0, 0)
        )
    if waiting.stalled:
        listed = "; ".join(waiting.examples[:_NOTABLE])
        number = counted(waiting.stalled, "source has", "sources have")
        text = f"{number} not been read to the end, for {waiting.seconds:,.0f} s at most: {listed}"
        yield broken_finding(
            text, "start `memento watch`, or run `memento ingest` with these files; `memento status` shows more"
        )


def _hooks(_patient: CheckContext) -> Iterator[Finding]:
    for agent in AGENTS.values():
        try:
            found = status(agent)
        except MementoError as error:  # a file that is the agent's to read: whether hooks are in it is not known
            yield advice_finding(f"hooks of {agent.name}: {error}", "")
            continue
        if found.problems:
            problem = found.problems[0]
            yield broken_finding(f"hooks of {agent.name}: {problem.text}", problem.remedy)


def _workers(context: CheckContext) -> Iterator[Finding]:
    for state in failed_workers(context.database.path):
        if state.broken or not state.running:
            yield broken_finding(state.text, "see what `memento watch` says, and start it again")
        else:
            yield advice_finding(state.text, "see what `memento watch` says, and report it if it happens again")


CAPTURE: Final = (
    Check("sidecar", _sidecar),
    Check("workers", _workers),
    Check("lag", _lag),
    Check("hooks", _hooks),
)


def jobs_with_capture() -> dict[str, Job]:
    """Return the jobs; here the full examination also looks at capture, as `memento doctor` does."""
    full = JOBS["full-health"]
    return {**JOBS, full.name: replace(full, run=partial(check_all, beyond=CAPTURE))}
