"""`memento hooks install|uninstall|status`: the agents' settings files, and never losing what is the user's."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings as budget, strategies as st

from memento_ingest.hooks.agents import AGENTS, HookedAgent, UnknownAgent, hooked_agent, is_ours
from memento_ingest.hooks.entries import installed, merged, unmerged
from memento_ingest.hooks.install import install, memento_script, status, uninstall
from memento_ingest.hooks.settings_file import SettingsError

MEMENTO = Path(sys.executable).with_name("memento")
USERS = {
    "model": "opus",
    "env": {"NAME": "wörld \u2028"},
    "hooks": {
        "Stop": [{"matcher": "", "hooks": [{"type": "command", "command": "say done"}]}],
        "PreToolUse": [],
    },
    "permissions": {"allow": ["Bash(ls:*)"], "n": 1.50},
}
CLAUDE = AGENTS["claude"]

EVENTS = sorted({event for agent in AGENTS.values() for event in agent.events} | {"Other"})
HANDLERS = st.fixed_dictionaries({"command": st.text(max_size=6)}, optional={"args": st.lists(st.text(max_size=4))})
NESTED = st.fixed_dictionaries({"hooks": st.lists(HANDLERS, max_size=2)}, optional={"matcher": st.text(max_size=3)})
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=4)
SETTINGS = st.dictionaries(st.text(max_size=5), JSON, max_size=3).flatmap(
    lambda rest: st.dictionaries(st.sampled_from(EVENTS), st.lists(NESTED | HANDLERS, max_size=2), max_size=4).flatmap(
        lambda hooks: st.permutations([*rest.items(), ("hooks", hooks)]).map(dict)
    )
)


def written(agent: HookedAgent, path: Path) -> dict[str, Any]:
    install(agent, path)
    value: dict[str, Any] = json.loads(path.read_bytes())
    return value


@pytest.mark.parametrize("agent", AGENTS.values(), ids=list(AGENTS))
def test_a_new_file_comes_and_goes(agent: HookedAgent, tmp_path: Path) -> None:
    path = tmp_path / "new" / "settings.json"
    assert not status(agent, path).installed
    found = written(agent, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(installed(found, agent)) == set(agent.events)
    now = status(agent, path)
    assert (now.missing, now.problems) == ((), ())
    assert set(now.installed.values()) == {MEMENTO}
    content = path.read_bytes()
    assert not install(agent, path).diff
    assert path.read_bytes() == content
    uninstall(agent, path)
    assert list(path.parent.iterdir()) == []
    assert not uninstall(agent, path).diff


@pytest.mark.parametrize("agent", AGENTS.values(), ids=list(AGENTS))
@pytest.mark.parametrize(
    "content",
    [
        json.dumps(USERS, indent=2, ensure_ascii=False).encode() + b"\n",
        json.dumps(USERS, indent=4).encode(),
        json.dumps(USERS, indent="\t").replace("\n", "\r\n").encode(),
        json.dumps(USERS).encode(),
        b'{ "a" : 1,\n\n   "hooks": {"Stop": []},   "b":[1,2] }',
        b'{"hooks": {}}',
        b"{}",
        b"",
        b"\n",
    ],
    ids=lambda content: repr(content[:12]),
)
def test_exact_undo(agent: HookedAgent, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    path.chmod(0o640)
    found = written(agent, path)
    before = json.loads(content or b"{}") if content.strip() else {}
    assert [key for key in found if key in before] == list(before)
    assert {**found, "hooks": 0} == {**agent.skeleton, **before, "hooks": 0}
    backup = path.with_name("settings.json.memento-backup")
    assert (backup.read_bytes(), stat.S_IMODE(backup.stat().st_mode)) == (content, 0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    install(agent, path)
    uninstall(agent, path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_indentation_is_kept(tmp_path: Path) -> None:
    for indent in ("  ", "    ", "\t", None):
        path = tmp_path / "s.json"
        path.write_text(json.dumps({"a": {"b": 1}}, indent=indent))
        written(CLAUDE, path)
        assert path.read_text() == json.dumps(json.loads(path.read_text()), indent=indent)


def test_changes_in_between_stay(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(USERS, indent=2))
    found = written(CLAUDE, path)
    found["new"] = True
    found["hooks"]["Stop"][1]["hooks"].append({"type": "command", "command": "mine too"})
    found["hooks"]["UserPromptSubmit"].insert(0, {"hooks": [{"type": "command", "command": "memento recall"}]})
    path.write_text(json.dumps(found, indent=2))
    uninstall(CLAUDE, path)
    left = json.loads(path.read_bytes())
    assert left["new"] is True
    assert left["hooks"]["Stop"] == [*USERS["hooks"]["Stop"], {"hooks": [{"type": "command", "command": "mine too"}]}]  # type: ignore[index]
    assert left["hooks"]["UserPromptSubmit"] == [{"hooks": [{"type": "command", "command": "memento recall"}]}]
    assert "PostToolUse" not in left["hooks"]
    assert path.with_name("settings.json.memento-backup").exists()


def test_a_reformatted_file_is_not_put_back(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(USERS, indent=2))
    path.write_text(json.dumps(written(CLAUDE, path), indent=8))
    uninstall(CLAUDE, path)
    assert path.read_text().startswith('{\n        "model"')


def test_another_place_of_memento_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    content = json.dumps(USERS, indent=2)
    path.write_text(content)
    written(CLAUDE, path)
    path.write_text(path.read_text().replace(str(MEMENTO), "/gone/bin/memento"))
    now = status(CLAUDE, path)
    assert set(now.installed.values()) == {Path("/gone/bin/memento")}
    assert str(now.problems[0]) == "/gone/bin/memento is not there any more: run `memento hooks install claude`"
    found = written(CLAUDE, path)
    assert all(handler["command"] == str(MEMENTO) for handler in installed(found, CLAUDE).values())
    assert len(found["hooks"]["Stop"]) == 2
    uninstall(CLAUDE, path)
    assert path.read_text() == content


@pytest.mark.parametrize(
    "content",
    [b'{"a": 1, // why\n"b": 2}', b'{"a": 1,}', b"[]", b"nonsense", b'{"a":1,"a":2}', b"\xff{}", b'{"hooks": []}',
     b'{"hooks": {"Stop": {}}}', b"[" * 100_000, b'{"a": NaN}'],
    ids=lambda content: repr(content[:10]),
)  # fmt: skip
def test_what_cannot_be_edited_is_left_as_it_is(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    with pytest.raises(SettingsError):
        install(CLAUDE, path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_read_only_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(b"{}")
    path.chmod(0o444)
    with pytest.raises(SettingsError, match="read-only"):
        install(CLAUDE, path)
    assert path.read_bytes() == b"{}"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SettingsError):
        install(CLAUDE, tmp_path / "file" / "settings.json")


def test_a_linked_file_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles" / "settings.json", tmp_path / "settings.json"
    real.parent.mkdir()
    real.write_bytes(b'{"a": 1}')
    link.symlink_to(real)
    written(CLAUDE, link)
    assert link.is_symlink()
    assert list(real.parent.iterdir()) == [real]
    assert installed(json.loads(real.read_bytes()), CLAUDE)
    uninstall(CLAUDE, link)
    assert link.is_symlink()
    assert real.read_bytes() == b'{"a": 1}'


def test_a_file_changed_meanwhile_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(b"{}")

    def script() -> str:
        path.write_bytes(b'{"agent": "wrote"}')
        return str(MEMENTO)

    monkeypatch.setattr("memento_ingest.hooks.install.memento_script", script)
    with pytest.raises(SettingsError, match="changed by another program"):
        install(CLAUDE, path)
    assert path.read_bytes() == b'{"agent": "wrote"}'


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(b'{\n  "a": 1\n}\n')
    diff = install(CLAUDE, path, dry_run=True).diff
    assert '+  "hooks": {' in diff
    assert list(tmp_path.iterdir()) == [path]
    install(CLAUDE, path)
    assert '-  "hooks": {' in uninstall(CLAUDE, path, dry_run=True).diff
    assert status(CLAUDE, path).installed


@pytest.mark.parametrize("agent", AGENTS.values(), ids=list(AGENTS))
@given(before=SETTINGS)
@budget(max_examples=60, deadline=None)
def test_merge_and_unmerge(agent: HookedAgent, before: dict[str, Any]) -> None:
    after = merged(before, agent, "/opt/bin/memento")
    assert merged(after, agent, "/opt/bin/memento") == after
    assert set(installed(after, agent)) == set(agent.events)
    for event, listed in before["hooks"].items():
        assert after["hooks"][event][: len(listed)] == listed
    restored = unmerged(after, agent)
    kept = {event: listed for event, listed in before["hooks"].items() if listed or event not in agent.events}
    plain = {key: kept if key == "hooks" else value for key, value in before.items() if key != "hooks" or kept}
    assert {**dict(agent.skeleton), **plain} == restored
    assert [key for key in restored if key in plain] == list(plain)


def test_our_entries_are_told_from_others() -> None:
    for ours in (
        {"command": "/a b/memento", "args": ["hook"]},
        {"command": "'/a b/memento' hook --agent codex"},
        {"bash": "memento hook"},
        {"command": "C:\\x\\memento.exe", "args": ["hook"]},
    ):
        assert is_ours(ours)
    for other in ({"command": "memento recall x"}, {"command": "echo memento hook"}, {"command": "'"}, {}, "memento"):
        assert not is_ours(other)


@pytest.mark.parametrize("content", [b'{\r\n\t"model": "opus"\r\n}\r\n', b'{"a": 1}', b"", b"\n"])
def test_a_byte_order_mark_stays(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    before = b"\xef\xbb\xbf" + content
    path.write_bytes(before)
    install(CLAUDE, path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf{")
    assert not status(CLAUDE, path).problems
    assert set(status(CLAUDE, path).installed) == set(CLAUDE.events)
    uninstall(CLAUDE, path)
    assert path.read_bytes() == before


def test_what_is_no_utf_8_is_called_that(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes('{"a": 1}'.encode("utf-16"))
    with pytest.raises(SettingsError, match="is not UTF-8 text: it was left as it is"):
        install(CLAUDE, path)
    assert path.read_bytes() == '{"a": 1}'.encode("utf-16")


def test_a_diff_shows_lines_and_lets_none_of_them_pose_as_another(tmp_path: Path) -> None:
    path = tmp_path / "x\n+ forged.json"
    path.write_bytes(b'{\r\n  "a": "\xc2\x9b2J\xe2\x80\xa8- forged"\r\n}\r\n')
    old, new, *changes = install(CLAUDE, path, dry_run=True).diff.split("\n")[:-1]
    assert (old, new) == (f"--- {tmp_path}/x\\n+ forged.json", f"+++ {tmp_path}/x\\n+ forged.json")
    for line in changes:
        assert line.startswith(("@@ ", " ", "+", "-")), line
        assert "\r" not in line


def test_unknown_agents_are_refused() -> None:
    assert hooked_agent("claude-code") is CLAUDE
    with pytest.raises(UnknownAgent, match="codex, copilot, cursor, gemini"):
        hooked_agent("aider")


def test_claude_waits_only_for_replies_that_count(tmp_path: Path) -> None:
    found = installed(written(CLAUDE, tmp_path / "s.json"), CLAUDE)
    assert {event for event, handler in found.items() if "async" not in handler} == {
        "SessionStart", "UserPromptSubmit", "PreToolUse", "SessionEnd",
    }  # fmt: skip
    assert all((h["args"], h["timeout"], h["command"]) == (["hook"], 5, memento_script()) for h in found.values())


def test_the_command_line(tmp_path: Path) -> None:
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environment = {**inherited, "HOME": str(tmp_path), "MEMENTO_HOME": str(tmp_path / "m")}

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([MEMENTO, "hooks", *arguments], env=environment, capture_output=True, text=True)
        assert done.returncode == code, done
        return done

    run("status", "codex", code=3)
    assert "/hooks" in run("install", "codex").stderr
    assert json.loads(run("status", "codex", "--json").stdout)["missing"] == []
    assert (tmp_path / ".codex" / "hooks.json").exists()
    run("uninstall", "codex")
    assert "claude, codex" in run("install", "vim", code=2).stderr
    named = tmp_path / "x.json"
    named.write_text("{,}")
    assert "not plain JSON" in run("install", "claude", "--settings", str(named), code=1).stderr
