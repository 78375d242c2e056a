"""What the tools, prompts and resources do with a store, in the sidecar's process or in the server's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final
from urllib.parse import quote, unquote

from memento.base.counted import counted
from memento.base.escaping import escape_line
from memento.base.times import local_day, zone_of
from memento.errors import MementoError, UsageError
from memento.memory import Memory
from memento.store import MemoryStore
from memento_app.mcp import catalog, sessions
from memento_app.mcp.arguments import checked
from memento_app.mcp.protocol import INVALID_PARAMS, PROJECT_KEY, RESOURCE_NOT_FOUND, ZONE_KEY, Refused
from memento_app.mcp.quoting import ID_DIGITS, Answer, Shown, answer, block, clean, excerpt, framed, pairs

_RESULTS: Final = 8
_TURNS: Final = 20
_SESSION_BUDGET: Final = 4_000
_SHORTEST_ID: Final = 8
_PROMPT_BUDGET: Final = 1_500


@dataclass(frozen=True, slots=True)
class Calls:
    """Answers requests from one store."""

    store: MemoryStore
    written: Callable[[], None] = lambda: None
    """Called after a memory was written: it is to be embedded."""

    def serve(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Answer a request as `protocol.Serve` says."""
        asked = _Asked.of(params)
        if method == "tools/call":
            return self._call(params, asked)
        if method == "prompts/get":
            return self._prompt(params, asked)
        return self._resources(asked) if method == "resources/list" else self._read(params, asked)

    def _call(self, params: dict[str, Any], asked: _Asked) -> dict[str, Any]:
        """Call a tool. What the tool cannot do is told to the model, which may do better; see the 2025-11-25 schema."""
        tool = catalog.tool(params.get("name"))
        if tool is None:
            raise Refused(INVALID_PARAMS, f"there is no tool {str(params.get('name'))[:100]!r}")
        try:
            given = checked(tool["inputSchema"], params.get("arguments") or {})
            found: Answer = getattr(self, tool["name"])(given, asked)
        except MementoError as error:
            return {"content": [_text(escape_line(str(error))[:2_000])], "isError": True}
        return {"content": [_text(found.text)], "structuredContent": found.structured, "isError": False}

    def recall(self, given: dict[str, Any], asked: _Asked) -> Answer:
        """Search."""
        found = self.store.recall(
            given["query"], given.get("k", _RESULTS), plain=True, zone=asked.zone_name, **_filters(given)
        )
        shown = [Shown(one.memory, one.score, one.request, one.copies) for one in found]
        notes = [*_emptiness(shown), *found.notes, *(["the deadline passed: this is a part"] if found.partial else [])]
        return answer(shown, notes, given.get("budget", catalog.BUDGET), asked.zone)

    def remember(self, given: dict[str, Any], asked: _Asked) -> Answer:
        """Keep a text. It is the agent's word, whatever it says of itself: the user has the command line."""
        id_ = self.store.remember(
            given["text"],
            source="mcp",
            role="assistant",
            tags=given.get("tags", ()),
            project=given.get("project", asked.project),
            embed=False,
        )
        self.written()
        return Answer(f"remembered as {id_[:ID_DIGITS]}", {"id": id_[:ID_DIGITS]})

    def recent(self, given: dict[str, Any], asked: _Asked) -> Answer:
        """List the latest."""
        found = [Shown(one) for one in self.store.get_recent(given.get("k", _RESULTS), **_filters(given))]
        return answer(found, _emptiness(found), given.get("budget", catalog.BUDGET), asked.zone)

    def session(self, given: dict[str, Any], asked: _Asked) -> Answer:
        """Read a session, or list the latest ones."""
        if "id" not in given:
            return self._sessions(given.get("k", sessions.MOST_SESSIONS), asked)
        found = [Shown(one) for one in sessions.turns(self.store, given["id"], given.get("k", _TURNS))]
        return answer(found, (), given.get("budget", catalog.BUDGET), asked.zone)

    def why(self, given: dict[str, Any], asked: _Asked) -> Answer:
        """Explain a memory."""
        from memento_ingest.explain import explain_memory

        memory, budget = self._known(given["id"]), given.get("budget", catalog.BUDGET)
        (told,) = explain_memory(self.store, memory.id)
        found = {"id": memory.id, "reason": clean(told.reason), "date": local_day(memory.timestamp, asked.zone)}
        found |= {name: clean(str(getattr(memory, name)))[:120] for name in ("trust", "role", "source", "project")}
        found |= {"session": clean(memory.session_id)[:120], "importance": f"{memory.importance:.2f}"}
        found |= {"tags": clean(", ".join(memory.tags))[:300], "stored": local_day(memory.ingested_at, asked.zone)}
        found |= {"points": ", ".join(f"{clean(name)[:60]} {points:+.2f}" for name, points in told.points[:12])}
        found |= {"replaced_by": told.superseded_by[:ID_DIGITS]}
        found |= {"stands_for": counted(told.stands_for, "older memory") if told.stands_for else ""}
        found = {name: value for name, value in found.items() if value}
        found["text"] = excerpt(memory.text, max(40, budget - 250))
        return Answer(block([*pairs(found)]), framed(found))

    def forget(self, given: dict[str, Any], asked: _Asked) -> Answer:
        """Show what would be forgotten or, once that is confirmed, forget it. All of the ids or none."""
        memories = list({one.id: one for one in map(self._known, given["ids"])}.values())
        if not given.get("confirm", False):
            count = counted(len(memories), "memory")
            note = f"nothing is forgotten yet: {count} would be, for good. Ask the user, then call with confirm: true"
            shown = answer([Shown(one) for one in memories], [note], catalog.BUDGET, asked.zone)
            return Answer(shown.text, {"forgotten": False, **shown.structured})
        from memento.forgetting import erasure
        from memento_ingest.events.forgetting import spool_of

        receipt = erasure.forget(self.store, memories, spool_of(self.store)).as_dict()
        receipt["searched"] = len(receipt["searched"])
        receipt["left"] = [clean(one)[:400] for one in receipt["left"]]
        said = f"forgot {counted(len(memories), 'memory')}"
        if receipt["left"]:
            said += f"; {counted(len(receipt['left']), 'file')} may still hold a piece: see `left`"
        return Answer(block([f"- {said}", *pairs(receipt)]), {"forgotten": True, "receipt": receipt})

    def _known(self, id_: str) -> Memory:
        """Return the memory of an id. Raises UsageError, also for so little of an id that it could be a slip."""
        memory = self.store.get(id_) if len(id_) >= _SHORTEST_ID else None
        if memory is None:
            raise UsageError(f"there is no memory {id_[:64]!r}: give the id as `recall` shows it")
        return memory

    def _sessions(self, count: int, asked: _Asked) -> Answer:
        found = [_row(one, asked.zone) for one in sessions.latest(self.store, count)]
        lines = [line for one in found for line in pairs({one["session"]: f"{one['date']} {one['project']}"})]
        return Answer(block(lines), framed({"sessions": found}))

    def _prompt(self, params: dict[str, Any], asked: _Asked) -> dict[str, Any]:
        given = params.get("arguments") or {}
        if not isinstance(given, dict) or not all(isinstance(one, str) for one in given.values()):
            raise Refused(INVALID_PARAMS, "the arguments of a prompt are texts")
        try:
            if params.get("name") == "decided":
                return _message("What did we decide about a topic?", self._decided(given, asked))
            if params.get("name") == "continue":
                return _message("Continue where we left off", self._left_off(given, asked))
        except MementoError as error:
            raise Refused(INVALID_PARAMS, escape_line(str(error))[:2_000]) from None
        raise Refused(INVALID_PARAMS, f"there is no prompt {str(params.get('name'))[:100]!r}")

    def _decided(self, given: Mapping[str, str], asked: _Asked) -> str:
        topic = given.get("topic", "").strip()
        if not topic:
            raise UsageError("the argument `topic` is missing: say what the decision was about")
        query = f"what did we decide about {topic}"
        found = self.recall({"query": query, "k": _TURNS, "budget": _PROMPT_BUDGET}, asked)
        return (
            f"What did we decide about {topic}? Answer from the memories below and what `recall` adds: the decision "
            f"that holds now, what it replaced, why, and when, each with the memory's id. Say so if there was none.\n\n"
            f"{found.text}"
        )

    def _left_off(self, given: Mapping[str, str], asked: _Asked) -> str:
        project = given.get("project", "").strip() or asked.project
        last = sessions.latest(self.store, 1, project)
        if not last:
            where = f" in {project}" if project else ""
            return f"There is no earlier session{where} in memory. Ask me what to work on."
        said = [Shown(one) for one in sessions.turns(self.store, last[0].id, _TURNS)]
        text = answer(said[::-1], [], _PROMPT_BUDGET, asked.zone).text
        return (
            "Continue where we left off. Below is the end of our latest session, the newest first. Say in a few lines "
            f"what was done, what was decided and what is open, then go on with the next open step.\n\n{text}"
        )

    def _resources(self, asked: _Asked) -> dict[str, Any]:
        listed = [
            {
                "uri": catalog.SESSION_URI + quote(one.id, safe=""),
                "name": row["session"],
                "title": " ".join(filter(None, (row["date"], row["project"].rpartition("/")[2], row["source"]))),
                "mimeType": "text/plain",
            }
            for one in sessions.latest(self.store)
            for row in (_row(one, asked.zone),)
        ]
        return {"resources": [catalog.APP, *listed]}

    def _read(self, params: dict[str, Any], asked: _Asked) -> dict[str, Any]:
        uri = params.get("uri")
        if not isinstance(uri, str):
            raise Refused(INVALID_PARAMS, "`uri` is missing")
        name = unquote(uri.removeprefix(catalog.SESSION_URI))
        said = self.store.get_recent(_TURNS * 10, session=name) if uri.startswith(catalog.SESSION_URI) and name else []
        if not said:
            raise Refused(RESOURCE_NOT_FOUND, "there is no such resource", {"uri": uri[:1_000]})
        text = answer([Shown(one) for one in said[::-1]], (), _SESSION_BUDGET, asked.zone).text
        return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": text}]}


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who asks, as `_meta` says."""

    zone_name: str = ""
    project: str = ""
    zone: tzinfo | None = None

    @classmethod
    def of(cls, params: dict[str, Any]) -> _Asked:
        """Read `_meta`. Raises Refused for a zone that does not exist."""
        meta = params.get("_meta")
        given = {key: meta[key] for key in (ZONE_KEY, PROJECT_KEY) if key in meta} if isinstance(meta, dict) else {}
        if not all(isinstance(one, str) for one in given.values()):
            raise Refused(INVALID_PARAMS, f"`{ZONE_KEY}` and `{PROJECT_KEY}` are texts")
        name = given.get(ZONE_KEY, "")
        try:
            return cls(name, given.get(PROJECT_KEY, ""), zone_of(name))
        except UsageError as error:
            raise Refused(INVALID_PARAMS, escape_line(str(error))[:400]) from None


def _filters(given: Mapping[str, Any]) -> Any:
    return {name: given[name] for name in ("project", "since", "before") if given.get(name)}


def _emptiness(shown: list[Shown]) -> list[str]:
    return [] if shown else ["nothing is stored that fits"]


def _row(one: sessions.Session, zone: tzinfo | None) -> dict[str, str]:
    last = one.last
    found = {"session": one.id, "date": local_day(last.timestamp, zone), "project": last.project, "source": last.source}
    return {name: clean(value)[:200] for name, value in found.items()}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _message(title: str, text: str) -> dict[str, Any]:
    return {"description": title, "messages": [{"role": "user", "content": _text(text)}]}
