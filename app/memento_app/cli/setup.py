"""`setup`: everything from an installed package to agents that remember, its proof, and its undoing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memento.base.counted import counted
from memento.errors import UsageError
from memento_app.cli.ending import FAILED, NOTHING_FOUND, PARTIAL
from memento_app.cli.output import AsJson, configured, is_terminal, note, one_line, print_json, say, wants_json
from memento_app.cli.progress import Bar, estimated, steps
from memento_ingest.events.forgetting import spool_of

if TYPE_CHECKING:
    from memento.config import Config
    from memento.memory import Recall
    from memento_app.setup.agents import Agent
    from memento_app.setup.steps import Step

_SNIPPET = 240
"""Characters of a recalled memory that are shown."""


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(setup)


def setup(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="AGENT", help="This agent; again for more. [default: all]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done and change nothing.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Put every file that setup changed back.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Prove that each agent's prompts are kept and found.")] = False,
    json_: AsJson = None,
) -> None:
    """Set up Memento for the agents on this machine.

    It finds them, shows what it would do and asks. Then it gets the model, adds hooks, reads what was written so far,
    installs the service and asks one question of your own history. Interrupted, it goes on the next time.

    Exit code 1: --check found an agent whose prompts are not kept; 3: no agent is here; 4: a step failed, or --undo met
    a file that was changed since.
    """
    if undo and check:
        raise UsageError("--undo and --check are two things: give one")
    if undo and only:
        raise UsageError("--undo puts everything back: leave --only out; `memento hooks uninstall AGENT` is for one")
    if check and dry_run:
        raise UsageError("--check has no dry run: its own rows are removed again")
    if not (yes or dry_run or undo or check or is_terminal(sys.stdin)):
        raise UsageError("there is no terminal to ask on: say --yes to do it, or --dry-run to see what would be done")
    config, as_json = configured(None), wants_json(json_)
    with _alone(config, writes=not dry_run):
        if undo:
            _undo(config, as_json, dry_run=dry_run)
        elif check:
            _check(config, only or (), as_json)
        else:
            _set_up(config, only or (), as_json, asks=not yes, dry_run=dry_run)


@contextmanager
def _alone(config: Config, *, writes: bool) -> Iterator[None]:
    """Keep two of them from running at once. Raises SetupError."""
    from memento.base import durable
    from memento_app.setup.changes import SetupError

    if not writes:
        yield
        return
    durable.make_private_folder(config.home)
    with ExitStack() as held:
        try:
            held.enter_context(durable.locked(config.home / "setup.lock", wait=False))
        except BlockingIOError:
            raise SetupError("another `memento setup` is running: wait for it") from None
        yield


class _Voice:
    """How setup speaks on the command line."""

    def steps(self) -> AbstractContextManager[Callable[[int, int, str], None]]:
        return steps()

    def bar(self, what: str, *, of_bytes: bool) -> AbstractContextManager[Bar]:
        return estimated(what, of_bytes=of_bytes)


def _set_up(config: Config, only: Sequence[str], as_json: bool, *, asks: bool, dry_run: bool) -> None:
    from memento_app.setup.changes import Changes
    from memento_app.setup.steps import Setup, chosen_agents, plan

    agents, known = chosen_agents(config, only)
    if not agents:
        note("no agent was found on this machine; to follow a folder instead: `memento watch FOLDER`")
        raise typer.Exit(NOTHING_FOUND)
    planned = list(plan(config, agents, known))
    if dry_run and as_json:
        print_json(_as_dict(agents, planned, [], None))
    elif asks or not as_json:
        _show_plan(agents, planned, diffs=dry_run, error=as_json)
    if dry_run:
        return
    chosen = _consent(agents) if asks else agents
    are_all = not only and len(chosen) == len(agents)
    changes = Changes(config.home)
    run, done = Setup(config, chosen, changes, _Voice(), are_all=are_all), list[Any]()
    for step in run.run():
        done.append(step)
        if not as_json:
            _show(step)
    if as_json:
        print_json(_as_dict(chosen, done, changes.paths, run.answer))
    else:
        _show_end(changes.paths, run.answer)
    if any(step.state == "failed" for step in done):
        raise typer.Exit(PARTIAL)


def _consent(agents: Sequence[Agent]) -> list[Agent]:
    """Ask which agents and whether to begin; raises Abort for a no."""
    from memento_app.setup.agents import choose

    if len(agents) > 1:
        names = typer.prompt("Which agents? Names with commas between them", default="all", err=True)
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        agents = choose(agents, () if wanted in ([], ["all"]) else wanted)
    typer.confirm(f"Set up {', '.join(agent.name for agent in agents)}?", default=True, abort=True, err=True)
    return list(agents)


def _show_plan(agents: Sequence[Agent], planned: Sequence[Step], *, diffs: bool, error: bool) -> None:
    """Print what was found and what is to be done; on standard error where JSON is asked for."""
    say("Found on this machine:", error=error)
    for agent in agents:
        hooks = "hooks and transcripts" if agent.hooked else "transcripts"
        say(
            f"  {agent.name:<10} {counted(len(agent.files), 'file')}, {agent.size / 1e6:,.1f} MB ({hooks})", error=error
        )
    say("What setup does:", error=error)
    for step in planned:
        mark = {"planned": "-", "already": "=", "failed": "!"}.get(step.state, " ")
        say(f"  {mark} {step.text}", error=error)
        for line in step.diff.expandtabs().splitlines() if diffs else ():
            say(f"      {line}", error=error)


def _show(step: Step) -> None:
    mark = {"done": "done", "already": "there", "failed": "FAILED"}.get(step.state, "")
    say(f"{mark:<6} {step.text}")


def _show_end(paths: Sequence[str], answer: Recall | None) -> None:
    for found in answer or ():
        from memento.base.times import local_day

        day, text = local_day(found.memory.timestamp) or "-", one_line(found.memory.text)
        say(f"  {day}  {found.memory.role:<9} {text[:_SNIPPET]}{'…' if len(text) > _SNIPPET else ''}")
    if paths:
        say("Changed files (`memento setup --undo` puts them back):")
    for path in paths:
        say(f"  {path}")
    say("`memento setup --check` proves that it works; `memento recall QUESTION` asks for more.")


def _as_dict(
    agents: Sequence[Agent], done: Sequence[Step], paths: Sequence[str], answer: Recall | None
) -> dict[str, Any]:
    from memento_ingest.server.client import to_wire

    return {
        "agents": [agent.as_dict() for agent in agents],
        "steps": [{"step": step.name, "state": step.state, "text": step.text} for step in done],
        "changed": list(paths),
        "recall": to_wire(answer) if answer is not None else None,
    }


def _undo(config: Config, as_json: bool, *, dry_run: bool) -> None:
    from memento_app.setup.changes import Changes

    changes = Changes(config.home)
    if dry_run:
        undone: list[dict[str, Any]] = [
            {"path": path, "exact": None, "text": "would be put back"} for path in changes.paths
        ]
    else:
        undone = [{"path": one.path, "exact": one.is_exact, "text": one.text} for one in changes.undo(config)]
    if as_json:
        print_json({"files": undone, "kept": str(config.home)})
    else:
        for one in undone:
            say(f"{one['path']}: {one['text']}")
        if not undone:
            note("setup has changed no file, or it was undone already")
        if Path(config.db_path).exists():
            note(f"the memories stay in {config.db_path}, the model in {config.model_dir}: delete them if you want to")
    if any(one["exact"] is False for one in undone):
        raise typer.Exit(PARTIAL)


def _check(config: Config, only: Sequence[str], as_json: bool) -> None:
    from memento.store import MemoryStore
    from memento_app.setup.check import check
    from memento_app.setup.steps import chosen_agents

    agents, _ = chosen_agents(config, only)
    if not agents:
        note("no agent was found on this machine")
        raise typer.Exit(NOTHING_FOUND)
    with MemoryStore(config=config) as store:
        spool = spool_of(store)
    found = list(check(config, agents, spool))
    if as_json:
        print_json([one.as_dict() for one in found])
    for one in () if as_json else found:
        say(f"{one.agent:<10} {'ok' if one.ok else f'FAILED at {one.stage}'}: {one.text}")
        if one.remedy:
            say(f"{'':<10} {one.remedy}")
    if not all(one.ok for one in found):
        raise typer.Exit(FAILED)
