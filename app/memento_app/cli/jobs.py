"""`jobs` and `jobs run`: what looks after the store, and when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from memento.errors import UsageError
from memento_app.cli.ending import FAILED
from memento_app.cli.group import Group
from memento_app.cli.options import as_typer
from memento_app.cli.output import AsJson, Db, configured, note, print_json, say, wants_json

jobs = Group(
    help="Show when each job ran and runs next; or run one.",
    invoke_without_command=True,
    subcommand_metavar="[COMMAND]",
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(jobs, name="jobs")


@jobs.callback()
@as_typer
def show(context: typer.Context, db: Db = None, json_: AsJson = None) -> None:
    """Show when each job ran and runs next; or run one."""
    if context.invoked_subcommand is not None:
        return
    from memento.base.times import iso, local, to_ms
    from memento.jobs.timetable import JOBS, first_run
    from memento.storage.jobs import JobState, read_states
    from memento.store import MemoryStore
    from memento_ingest.sidecar.lock import holder

    with MemoryStore(config=configured(db)) as store, store.database.read() as connection:
        states = read_states(connection)
        is_watched = holder(store.path) is not None
    now = datetime.now(UTC)
    listed: list[dict[str, Any]] = []
    lines: list[str] = []
    for job in JOBS.values():
        state = states.get(job.name, JobState())
        upcoming = max(first_run(job, state, now), now)
        last, following = state.last_success, to_ms(upcoming)
        listed.append({"name": job.name, "last": iso(last) or None, "next": iso(following), "error": state.last_error})
        times = f"last {local(last) or 'never':<16}  next {local(following):<16}"
        lines.append(f"{job.name:<14} {times}" + (f"  failed: {state.last_error}" if state.last_error else ""))
    if wants_json(json_):
        print_json({"scheduled": is_watched, "jobs": listed})
        return
    for line in lines:
        say(line)
    if not is_watched:
        note(
            "the sidecar does not run, so nothing runs by itself: `memento watch`, or cron with `memento jobs run NAME`"
        )


@jobs.command()
def run(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of `memento jobs`.")],
    db: Db = None,
) -> None:
    """Run jobs now, for cron or a systemd timer.

    Exit code 1: one failed.
    """
    from memento.jobs.runner import run_job
    from memento.store import MemoryStore
    from memento_ingest.sidecar.checks import jobs_with_capture

    known = jobs_with_capture()
    for name in names:
        if name not in known:
            raise UsageError(f"there is no job {name}: it is one of {', '.join(known)}")
    failed = False
    with MemoryStore(config=configured(db)) as store:
        for name in names:
            outcome = run_job(known[name], store)
            failed |= not outcome.succeeded
            note(f"{name}: {outcome.text}")
    if failed:
        raise typer.Exit(FAILED)
