"""Where each agent keeps its transcripts, on Linux, macOS and Windows.

One table, and pure functions over it: the home folder, the environment and the platform are arguments, and no file is
looked at. A path is a root, which may be watched, and patterns below it; what a matching file holds is for the formats
to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Final


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of one agent's, with the files in it that are transcripts."""

    agent: str
    """The source of its messages: `claude-code`, `codex`, ..."""
    root: PurePath
    patterns: tuple[str, ...]
    """Globs below the root, with `/` between folders; `**` stands for any number of folders."""
    excluded: tuple[str, ...] = ()
    """Globs of file names that are not read though a pattern matches: an agent's own bookkeeping."""

    def covers(self, path: PurePath) -> bool:
        """Tell whether a path is that of one of the place's files."""
        if not path.is_relative_to(self.root) or any(fnmatchcase(path.name, pattern) for pattern in self.excluded):
            return False
        parts = path.relative_to(self.root).parts
        return any(_matches(parts, tuple(pattern.split("/"))) for pattern in self.patterns)


class Surroundings:
    """The home folder, the environment and the platform (as `sys.platform` says it) a table is made for."""

    def __init__(self, home: PurePath | str, environment: Mapping[str, str], platform: str) -> None:
        self._path: type[PurePath] = PureWindowsPath if platform == "win32" else PurePosixPath
        self.home = self._path(home)
        self.environment = environment
        self.platform = platform

    def named(self, variable: str) -> PurePath | None:
        """Return the folder an environment variable names, if it names one; a relative path names none."""
        value = self.environment.get(variable, "").strip()
        if value == "~" or value.startswith(("~/", "~\\")):
            return self.home / value[2:]
        path = self._path(value)
        return path if value and path.is_absolute() else None

    def folder(self, variable: str, *default: str) -> PurePath:
        """Return the folder an environment variable names, by default one below the home folder."""
        return self.named(variable) or self.home.joinpath(*default)

    @property
    def data(self) -> PurePath:
        """The folder of programs' data by the XDG specification, which some agents follow on every platform."""
        return self.folder("XDG_DATA_HOME", ".local", "share")

    @property
    def settings(self) -> PurePath:
        """The folder in which applications keep their settings."""
        if self.platform == "darwin":
            return self.home / "Library" / "Application Support"
        if self.platform == "win32":
            return self.folder("APPDATA", "AppData", "Roaming")
        return self.folder("XDG_CONFIG_HOME", ".config")


def places(
    home: PurePath | str, environment: Mapping[str, str], platform: str, projects: Iterable[str] = ()
) -> list[Place]:
    """Return every place where an agent may keep transcripts, whether it exists or not.

    `projects` are the folders agents are known to work in: Aider keeps its history there and nowhere else.
    """
    around = Surroundings(home, environment, platform)
    found = [place for places_of in _AGENTS for place in places_of(around)]
    return [*found, *_aider(around, projects)]


def _claude_code(around: Surroundings) -> Iterator[Place]:
    named = around.named("CLAUDE_CONFIG_DIR")
    for root in [named] if named else [around.home / ".claude", around.folder("XDG_CONFIG_HOME", ".config") / "claude"]:
        yield Place("claude-code", root / "projects", ("**/*.jsonl",), ("journal.jsonl",))


def _codex(around: Surroundings) -> Iterator[Place]:
    root = around.folder("CODEX_HOME", ".codex")
    patterns = tuple(
        f"{folder}/rollout-*.{suffix}"
        for folder in ("sessions/**", "archived_sessions")
        for suffix in ("jsonl", "jsonl.zst")
    )
    yield Place("codex", root, patterns)


def _gemini(around: Surroundings) -> Iterator[Place]:
    root = (around.named("GEMINI_CLI_HOME") or around.home) / ".gemini"
    yield Place("gemini", root / "tmp", ("*/chats/**/*.jsonl", "*/chats/*.json"))


def _opencode(around: Surroundings) -> Iterator[Place]:
    yield Place("opencode", around.data / "opencode", ("opencode*.db", "storage/part/*/*.json"))


def _cursor(around: Surroundings) -> Iterator[Place]:
    below = "*/agent-transcripts/**"
    yield Place("cursor-cli", around.home / ".cursor" / "projects", (f"{below}/*.jsonl", f"{below}/*.txt"))
    yield Place("cursor-ide", around.settings / "Cursor" / "User" / "globalStorage", ("state.vscdb",))


def _goose(around: Surroundings) -> Iterator[Place]:
    if named := around.named("GOOSE_PATH_ROOT"):
        root = named / "data"
    elif around.platform == "win32":
        root = around.settings / "Block" / "goose" / "data"
    else:
        root = around.data / "goose"
    yield Place("goose", root / "sessions", ("sessions.db", "*.jsonl"))


def _cline(around: Surroundings) -> Iterator[Place]:
    root = around.folder("CLINE_DIR", ".cline")
    yield Place("cline", root / "data" / "sessions", ("*/*.messages.json",))
    yield from _extension(around, "cline", "saoudrizwan.claude-dev")
    yield from _extension(around, "roo", "rooveterinaryinc.roo-cline")


_EDITORS: Final = ("Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf")
_REMOTE: Final = (".vscode-server", ".cursor-server", ".windsurf-server")


def _extension(around: Surroundings, agent: str, name: str) -> Iterator[Place]:
    """Yield where the editors' extensions keep their tasks, and the same on machines edited from afar."""
    users = [around.settings / editor / "User" for editor in _EDITORS]
    users += [around.home / server / "data" / "User" for server in _REMOTE]
    for user in users:
        yield Place(agent, user / "globalStorage" / name / "tasks", ("*/api_conversation_history.json",))


def _copilot(around: Surroundings) -> Iterator[Place]:
    root = around.folder("COPILOT_HOME", ".copilot")
    yield Place("copilot", root / "session-state", ("*/events.jsonl", "*.jsonl"))


def _pi(around: Surroundings) -> Iterator[Place]:
    yield Place("pi", around.folder("PI_CODING_AGENT_DIR", ".pi", "agent") / "sessions", ("**/*.jsonl",))


def _openclaw(around: Surroundings) -> Iterator[Place]:
    patterns = tuple(f"*/sessions/*.jsonl{archived}" for archived in ("", ".reset.*", ".deleted.*"))
    root = around.folder("OPENCLAW_STATE_DIR", ".openclaw") / "agents"
    yield Place("openclaw", root, (*patterns, "*/agent/openclaw-agent.sqlite"), ("*.checkpoint.*",))


def _aider(around: Surroundings, projects: Iterable[str]) -> Iterator[Place]:
    if named := around.named("AIDER_CHAT_HISTORY_FILE"):
        yield Place("aider", named.parent, (named.name,))
    for project in dict.fromkeys(projects):
        root = type(around.home)(project)
        if root.is_absolute():
            yield Place("aider", root, (".aider.chat.history.md",))


_AGENTS: Final[tuple[Callable[[Surroundings], Iterator[Place]], ...]] = (
    _claude_code,
    _codex,
    _gemini,
    _opencode,
    _cursor,
    _goose,
    _cline,
    _copilot,
    _pi,
    _openclaw,
)


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern or not parts:
        return pattern == parts
    if pattern[0] == "**":
        return _matches(parts, pattern[1:]) or _matches(parts[1:], pattern)
    return fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])
