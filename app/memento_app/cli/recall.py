"""`remember`, `recall` and `recent`: the memory itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Unpack

from memento.base.counted import counted
from memento.base.times import local_day
from memento.errors import UsageError
from memento_app.cli.ending import NOTHING_FOUND, PARTIAL
from memento_app.cli.narrowing import Narrowing, Tags, filters, folder
from memento_app.cli.options import Argument, Option
from memento_app.cli.output import AsJson, Db, configured, console, note, one_line, print_json, say, wants_json

if TYPE_CHECKING:
    import typer

    from memento.config import Config
    from memento.memory import Added, Feature, Found, Memory, Recall
    from memento.store import MemoryStore

_MOST = 10_000
"""Results that can be asked for."""
_SNIPPET = 400
"""Characters of a memory that a table shows."""
_REQUEST = 160
"""Characters of what it answers."""


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(remember)
    app.command()(recall)
    app.command()(recent)


def remember(
    text: Annotated[list[str], Argument(metavar="TEXT...", help="What to keep; `-` reads standard input.")],
    tag: Tags = None,
    importance: Annotated[
        float | None,
        Option("--importance", metavar="SHARE", min=0.0, max=1.0, help="How much it matters. [default: judged]"),
    ] = None,
    collection: Annotated[str, Option("--collection", metavar="NAME", help="Where it is kept.")] = "knowledge",
    session: Annotated[str, Option("--session", metavar="ID", help="The session it belongs to.")] = "",
    project: Annotated[str, Option("--project", metavar="DIR", help="The folder it is about.")] = "",
    db: Db = None,
    json_: AsJson = None,
) -> None:
    """Keep a text, whatever the policy thinks of it.

    Secrets in it are redacted first.
    """
    from memento.store import MemoryStore

    content = _standard_input() if text == ["-"] else _words(text)
    if not content.strip():
        raise UsageError("there is nothing to remember: the text is empty")
    with MemoryStore(config=configured(db)) as store:
        memory = store.remember(
            content,
            source="cli",
            session_id=session,
            project=folder(project),
            tags=tag or (),
            importance=importance,
            collection=collection,
            embed=False,
        )
        if wants_json(json_):
            print_json({"id": memory})
        else:
            say(f"remembered as {memory[:8]}")


def recall(
    query: Annotated[list[str], Argument(metavar="QUERY...", help="What to look for, in plain words.")],
    limit: Annotated[
        int | None,
        Option("--limit", "-k", metavar="N", min=1, max=_MOST, help="How many results. [default: config, 10]"),
    ] = None,
    deadline: Annotated[float | None, Option(min=0.0, metavar="SECONDS", help="Answer by then.")] = None,
    context: Annotated[
        int, Option("--context", "-C", metavar="N", min=0, max=20, help="Neighbours of each result, per side.")
    ] = 0,
    spread: Annotated[bool, Option("--spread/--no-spread", help="Hold one session to half of the results.")] = True,
    min_score: Annotated[
        float | None,
        Option("--min-score", metavar="SCORE", min=0.0, max=1.0, help="Leave out results below it. [default: config]"),
    ] = None,
    cover: Annotated[bool, Option("--cover", help="Gather: results that together cover the question.")] = False,
    by_time: Annotated[bool, Option("--by-time", help="Show the same results, oldest first.")] = False,
    plain: Annotated[bool, Option("--plain", help='Take "phrases", -words and tag: as plain text.')] = False,
    explain: Annotated[bool, Option("--explain", help="Say what each score is made of.")] = False,
    at: Annotated[
        str | None, Option("--at", metavar="TIME", help="Ask as of another time, such as 2026-05-01 or 7d.")
    ] = None,
    sidecar: Annotated[bool, Option("--sidecar/--no-sidecar", help="Ask a running `memento watch`.")] = True,
    db: Db = None,
    json_: AsJson = None,
    **within: Unpack[Narrowing],
) -> None:
    """Find memories by meaning and by words.

    Exit code 3: nothing found; 4: the deadline passed, this is a part.
    """
    config, words = configured(db), _words(query)
    shape = {"context": context, "spread": spread, "cover": cover, "by_time": by_time, "plain": plain}
    asked: dict[str, Any] = {**filters(within), **shape, "explain": explain, "min_score": min_score}
    if not words.strip():
        raise UsageError("there is nothing to look for: the query is empty; `memento recent` shows the latest memories")
    answer = _from_sidecar(config, words, limit, deadline, asked) if sidecar and at is None else None
    if answer is None:
        from memento.store import MemoryStore

        with MemoryStore(config=config) as store:
            answer = store.recall(words, limit, deadline=deadline, at=at, **asked)
            if not answer:
                _note_emptiness(store)
    _print_answer(answer, wants_json(json_))
    if answer.partial:
        raise SystemExit(PARTIAL)
    if not answer:
        raise SystemExit(NOTHING_FOUND)


def recent(
    limit: Annotated[int, Option("--limit", "-k", metavar="N", min=1, max=_MOST, help="How many.")] = 10,
    db: Db = None,
    json_: AsJson = None,
    **within: Unpack[Narrowing],
) -> None:
    """Show the latest memories by the time of their event.

    Exit code 3: there is none that fits.
    """
    from memento.store import MemoryStore

    with MemoryStore(config=configured(db)) as store:
        memories = store.get_recent(limit, **filters(within))
        if restored := store.unread_since_restore():
            note(restored)
        if not memories:
            _note_emptiness(store)
    if wants_json(json_):
        print_json([memory.as_dict() for memory in memories])
    elif memories:
        _print_table([_Line(memory) for memory in memories])
    if not memories:
        note("nothing is stored that fits")
        raise SystemExit(NOTHING_FOUND)


def _note_emptiness(store: MemoryStore) -> None:
    """Say how a store is filled, where it holds nothing at all."""
    if not store.get_recent(1):
        note(f"{store.path} holds nothing yet: `memento watch` or `memento ingest PATH` fills it")


def _from_sidecar(
    config: Config, query: str, limit: int | None, deadline: float | None, asked: dict[str, Any]
) -> Recall | None:
    """Return the answer of the sidecar that serves this store; None when there is none."""
    from memento_ingest.server import client

    defaults = config.settings.recall
    seconds = defaults.deadline_seconds if deadline is None else deadline
    return client.recall(config.db_path, query, defaults.limit if limit is None else limit, seconds, asked)


def _words(arguments: Sequence[str]) -> str:
    """Join what the shell split; bytes that are no UTF-8 become U+FFFD."""
    return " ".join(arguments).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _standard_input() -> str:
    return sys.stdin.buffer.read().decode("utf-8", "replace") if sys.stdin else ""


class _Line(NamedTuple):
    memory: Memory
    score: str = ""
    """`·` for a neighbour."""
    copies: int = 0
    features: Mapping[str, Feature] = {}
    request: Memory | None = None
    unanswered: bool = False
    adds: Added | None = None


def _print_answer(answer: Recall, as_json: bool) -> None:
    for text in answer.notes:
        note(text)
    if as_json:
        from memento_ingest.server.client import to_wire

        print_json(to_wire(answer))
    elif answer:
        _print_table(list(_lines(answer)))
    if not answer:
        note("nothing found")


def _lines(answer: Sequence[Found]) -> Iterator[_Line]:
    """Yield what a table shows of each result: what came before it, itself and what it rests on, what came after it.

    A neighbour that is a result itself, or of an earlier one too, is shown once.
    """
    shown = {found.id for found in answer}

    def once(memories: Sequence[Memory]) -> Iterator[_Line]:
        for memory in memories:
            if memory.id not in shown:
                shown.add(memory.id)
                yield _Line(memory, "·")

    for found in answer:
        yield from once(found.before)
        score, features = f"{found.score:.2f}", found.features or {}
        yield _Line(found.memory, score, found.copies, features, found.request, found.unanswered, found.adds)
        yield from once(found.after)


def _print_table(lines: Sequence[_Line]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    scored = any(line.score for line in lines)
    for title in (*(["score"] if scored else []), "id", "when", "who", "what"):
        table.add_column(title, no_wrap=title != "what", overflow="fold", style="" if title == "what" else "dim")
    for line in lines:
        memory, text = line.memory, one_line(line.memory.text)
        snippet = Text(_shortened(text, _SNIPPET), "dim" if line.score == "·" else "")
        if memory.tags:
            snippet.append("  " + one_line(" ".join(f"#{tag}" for tag in memory.tags)), style="cyan")
        if memory.superseded_by and not line.copies:
            snippet.append(f"  (newer: {memory.superseded_by[:8]})", style="dim")
        if line.copies:
            snippet.append(f"  (and {counted(line.copies, 'more that says', 'more that say')} the same)", style="dim")
        if line.unanswered:
            snippet.append("  (no answer is stored)", style="dim")
        if line.request:
            snippet.append(f"\nto: {_shortened(one_line(line.request.text), _REQUEST)}", style="dim")
        if line.features:
            snippet.append("\n" + _explained(line.features), style="dim")
        if line.adds:
            snippet.append("\n" + one_line(_addition(line.adds)), style="dim")
        who = one_line(memory.speaker)[:20] or memory.role
        table.add_row(
            *([line.score] if scored else []), memory.id[:8], local_day(memory.timestamp) or "-", who, snippet
        )
    console().print(table)


def _shortened(text: str, most: int) -> str:
    return text[:most] + ("…" if len(text) > most else "")


def _addition(adds: Added) -> str:
    """Return what a result adds to those that were chosen before it."""
    parts = [f"the words {', '.join(adds.words)}"] if adds.words else []
    parts += ["a session"] if adds.session else []
    parts += [f"the day {adds.day}"] if adds.day else []
    beside = f"; beside {counted(adds.beside, 'earlier result')}" if adds.beside else ""
    return f"adds {', '.join(parts) or 'nothing new'}{beside}"


def _explained(features: Mapping[str, Feature]) -> str:
    """Return what each feature brought to the score, as value x weight, the most telling first."""
    brought = {name: one.value * one.weight for name, one in features.items()}
    telling = sorted(features.items(), key=lambda item: -abs(brought[item[0]]))
    parts = [f"{name} {one.value:.2f}×{one.weight:g}={brought[name]:+.2f}" for name, one in telling if brought[name]]
    return f"{', '.join(parts)}; sum {sum(brought.values()):+.2f}"
