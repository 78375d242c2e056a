"""Where agents keep their transcripts, on each platform and as the environment says."""

from __future__ import annotations

from pathlib import PurePath, PurePosixPath, PureWindowsPath

import pytest

from memento_ingest.formats.registry import get, names
from memento_ingest.locations import Place, places

ID = "0a1b2c3d-0000-4000-8000-000000000001"
FILES = {
    "claude-code": [
        f".claude/projects/-w/{ID}.jsonl",
        f".claude/projects/-w/{ID}/subagents/deep/agent-1.jsonl",
        f".config/claude/projects/-w/{ID}.jsonl",
    ],
    "codex": [
        f".codex/sessions/2026/09/01/rollout-2026-09-01T10-12-16-{ID}.jsonl",
        f".codex/sessions/2026/09/01/rollout-2026-09-01T10-12-16-{ID}.jsonl.zst",
        f".codex/archived_sessions/rollout-2026-09-01T10-12-16-{ID}.jsonl",
    ],
    "gemini": [
        ".gemini/tmp/app/chats/session-2026-09-01T10-12-0a1b2c3d.jsonl",
        f".gemini/tmp/app/chats/{ID}/sub.jsonl",
        ".gemini/tmp/0123abcd/chats/session-2025-09-01T10-12-0a1b2c3d.json",
    ],
    "opencode": [".local/share/opencode/opencode.db", ".local/share/opencode/storage/part/msg_1/prt_1.json"],
    "cursor-cli": [
        f".cursor/projects/w/agent-transcripts/{ID}.txt",
        f".cursor/projects/w/agent-transcripts/{ID}/{ID}.jsonl",
    ],
    "cursor-ide": [".config/Cursor/User/globalStorage/state.vscdb"],
    "goose": [".local/share/goose/sessions/sessions.db", ".local/share/goose/sessions/20250724_1.jsonl"],
    "cline": [
        ".cline/data/sessions/s1/s1.messages.json",
        ".config/Code/User/globalStorage/saoudrizwan.claude-dev/tasks/1/api_conversation_history.json",
        ".vscode-server/data/User/globalStorage/saoudrizwan.claude-dev/tasks/1/api_conversation_history.json",
    ],
    "roo": [".config/VSCodium/User/globalStorage/rooveterinaryinc.roo-cline/tasks/1/api_conversation_history.json"],
    "copilot": [f".copilot/session-state/{ID}/events.jsonl"],
    "pi": [f".pi/agent/sessions/--w--/2026-09-01T00-00-00-000Z_{ID}.jsonl"],
    "openclaw": [
        f".openclaw/agents/main/sessions/{ID}-topic-7.jsonl",
        f".openclaw/agents/main/sessions/{ID}.jsonl.reset.2026-09-01",
        ".openclaw/agents/main/agent/openclaw-agent.sqlite",
    ],
}
NOT_READ = [
    f".claude/projects/-w/{ID}/journal.jsonl",
    ".claude/history.jsonl",
    ".codex/history.jsonl",
    ".gemini/tmp/app/logs.json",
    ".cline/data/sessions/s1/s1.json",
    f".openclaw/agents/main/sessions/{ID}.checkpoint.{ID}.jsonl",
    ".openclaw/agents/main/sessions/sessions.json",
    ".local/share/opencode/opencode.db-wal",
]


def agents_of(found: list[Place], path: PurePath) -> list[str]:
    return [place.agent for place in found if place.covers(path)]


@pytest.mark.parametrize(("agent", "file"), [(agent, file) for agent, files in FILES.items() for file in files])
def test_each_agents_files_on_linux(agent: str, file: str) -> None:
    assert agents_of(places("/home/me", {}, "linux"), PurePosixPath("/home/me", file)) == [agent]


@pytest.mark.parametrize("file", NOT_READ)
def test_bookkeeping_is_nowhere(file: str) -> None:
    assert agents_of(places("/home/me", {}, "linux"), PurePosixPath("/home/me", file)) == []


@pytest.mark.parametrize(
    ("agent", "file"),
    [
        ("cursor-ide", "Library/Application Support/Cursor/User/globalStorage/state.vscdb"),
        ("goose", ".local/share/goose/sessions/sessions.db"),
        ("opencode", ".local/share/opencode/opencode.db"),
        ("claude-code", f".claude/projects/-w/{ID}.jsonl"),
        (
            "cline",
            "Library/Application Support/Code/User/globalStorage/saoudrizwan.claude-dev/tasks/1"
            "/api_conversation_history.json",
        ),
    ],
)
def test_each_agents_files_on_macos(agent: str, file: str) -> None:
    assert agents_of(places("/Users/me", {}, "darwin"), PurePosixPath("/Users/me", file)) == [agent]


@pytest.mark.parametrize(
    ("agent", "file"),
    [
        ("cursor-ide", r"D:\Roaming\Cursor\User\globalStorage\state.vscdb"),
        ("goose", r"D:\Roaming\Block\goose\data\sessions\sessions.db"),
        ("opencode", r"C:\Users\me\.local\share\opencode\opencode.db"),
        ("codex", rf"C:\Users\me\.codex\sessions\2026\09\01\rollout-1-{ID}.jsonl"),
        ("pi", rf"C:\Users\me\.pi\agent\sessions\--w--\1_{ID}.jsonl"),
    ],
)
def test_each_agents_files_on_windows(agent: str, file: str) -> None:
    found = places(r"C:\Users\me", {"APPDATA": r"D:\Roaming"}, "win32")
    assert agents_of(found, PureWindowsPath(file)) == [agent]
    assert {type(place.root) for place in found} == {PureWindowsPath}


@pytest.mark.parametrize(
    ("variable", "file", "agent"),
    [
        ("CLAUDE_CONFIG_DIR", f"projects/-w/{ID}.jsonl", "claude-code"),
        ("CODEX_HOME", f"sessions/2026/09/01/rollout-1-{ID}.jsonl", "codex"),
        ("GEMINI_CLI_HOME", ".gemini/tmp/app/chats/session-1.jsonl", "gemini"),
        ("XDG_DATA_HOME", "opencode/opencode.db", "opencode"),
        ("XDG_DATA_HOME", "goose/sessions/sessions.db", "goose"),
        ("XDG_CONFIG_HOME", "Cursor/User/globalStorage/state.vscdb", "cursor-ide"),
        ("GOOSE_PATH_ROOT", "data/sessions/sessions.db", "goose"),
        ("CLINE_DIR", "data/sessions/s1/s1.messages.json", "cline"),
        ("COPILOT_HOME", f"session-state/{ID}/events.jsonl", "copilot"),
        ("PI_CODING_AGENT_DIR", "sessions/--w--/1.jsonl", "pi"),
        ("OPENCLAW_STATE_DIR", f"agents/main/sessions/{ID}.jsonl", "openclaw"),
    ],
)
def test_the_environment_moves_an_agents_files(variable: str, file: str, agent: str) -> None:
    for value, root in (("/data/x", "/data/x"), ("~/x", "/home/me/x")):
        found = places("/home/me", {variable: value}, "linux")
        assert agents_of(found, PurePosixPath(root, file)) == [agent]
    default = places("/home/me", {}, "linux")
    for ignored in ("", "  ", "relative/x"):
        assert places("/home/me", {variable: ignored}, "linux") == default


def test_aiders_histories_lie_in_the_projects() -> None:
    found = places("/home/me", {}, "linux", ["/w/app", "/w/app", "relative"])
    assert agents_of(found, PurePosixPath("/w/app/.aider.chat.history.md")) == ["aider"]
    assert agents_of(places("/home/me", {}, "linux"), PurePosixPath("/w/app/.aider.chat.history.md")) == []
    named = places("/home/me", {"AIDER_CHAT_HISTORY_FILE": "/w/log.md"}, "linux")
    assert agents_of(named, PurePosixPath("/w/log.md")) == ["aider"]


def test_every_agent_of_the_table_has_a_format() -> None:
    sources = {str(getattr(get(name), "source", name)) for name in names()}
    found = places("/home/me", {}, "linux", ["/w"])
    assert {place.agent for place in found} <= sources
    assert {place.agent for place in found} == {*FILES, "aider"}
