"""The agents on this machine: those that `memento sources` knows, with their transcripts and their hooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from memento.errors import UsageError
from memento_ingest.discovery import File
from memento_ingest.hooks.agents import AGENTS, HookedAgent
from memento_ingest.sidecar.places import agents_places, files_of

_NAMES: Final = {"claude-code": "claude", "cursor-cli": "cursor", "cursor-ide": "cursor"}
"""Names of sources whose agent has another name for its hooks."""
_TELLS_ALL: Final = "cursor-ide"
"""A source without session files: hooks would tell the same conversation a second time (docs/hooks.md)."""


@dataclass(frozen=True)
class Agent:
    """An agent that was found."""

    name: str
    hooked: HookedAgent | None
    """How its hooks are installed; None where it has none, or none that add anything."""
    places: tuple[Path, ...]
    files: tuple[File, ...]
    """Its transcripts, oldest change first."""
    size: int

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "agent": self.name,
            "places": [str(place) for place in self.places],
            "files": len(self.files),
            "bytes": self.size,
            "hooks": self.hooked is not None,
        }


def find_agents(projects: Iterable[str] = ()) -> list[Agent]:
    """Return the agents that have transcripts or settings here, by name. `projects` as `agents_places` takes them."""
    roots: dict[str, list[Path]] = {}
    dated: dict[str, dict[Path, tuple[int, int]]] = {}
    sources = set[str]()
    for place in agents_places(projects):
        name = _NAMES.get(place.agent, place.agent)
        root = Path(place.root)
        files = {path: stamp for path in files_of(place) if (stamp := _stamp(path))} if root.exists() else {}
        if root.exists() and (files or place.agent != "aider"):  # Aider's place is a project, which is there anyhow
            roots.setdefault(name, []).append(root)
            dated.setdefault(name, {}).update(files)
            sources.add(place.agent)
    for name, hooked in AGENTS.items():
        if name not in roots and _settings_folder(hooked).is_dir():
            roots[name], dated[name] = [], {}
    return [
        Agent(
            name,
            None if name == _NAMES[_TELLS_ALL] and _TELLS_ALL in sources else AGENTS.get(name),
            tuple(dict.fromkeys(found)),
            tuple(File(path, named=False) for path in sorted(dated[name], key=dated[name].__getitem__)),
            sum(size for _, size in dated[name].values()),
        )
        for name, found in sorted(roots.items())
    ]


def choose(agents: Sequence[Agent], only: Iterable[str]) -> list[Agent]:
    """Return the agents of these names, all without one. Raises UsageError for a name that was not found."""
    wanted = {_NAMES.get(name.lower().removesuffix("-cli"), name.lower().removesuffix("-cli")): name for name in only}
    known = {agent.name for agent in agents}
    for name, given in wanted.items():
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise UsageError(f"{given} was not found on this machine; found: {listed}")
    return [agent for agent in agents if not wanted or agent.name in wanted]


def _settings_folder(hooked: HookedAgent) -> Path:
    """Return the agent's own folder, which its settings file, or a folder of such files, lies in."""
    folder = hooked.file().parent
    return folder.parent if folder.name == "hooks" else folder


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:  # deleted a moment ago
        return None
    return status.st_mtime_ns, status.st_size
