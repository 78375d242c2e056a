"""The spool as a source: what the transcript has is left to it, the rest is stored once, under any split."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from memento.store import MemoryStore
from memento_ingest.batch_ingest import Ingestion, Options
from memento_ingest.events import payload
from memento_ingest.formats.hook_spool import WAIT_MS, HookSpool, SpoolParser
from memento_ingest.formats.registry import detect, get
from memento_ingest.lines import LongLine, read_lines
from memento_ingest.open_line import GuardedParser
from memento_ingest.report import Report
from memento_ingest.span import LOOK_AGAIN, Checkpoint, SourceInfo, Span
from memento_policies import Message, load_policy

LONG_AGO = 1_700_000_000_000
POLICY = load_policy()


def line(said: dict[str, Any], agent: str = "claude-code", received: int = LONG_AGO) -> bytes:
    said = {"session_id": "11111111-2222-4333-8444-555555555555", "cwd": "/w", **said}
    return json.dumps(payload.record(said, agent, received)).encode() + b"\n"


def prompt(text: str, path: object = None, **more: Any) -> dict[str, Any]:
    return {"hook_event_name": "UserPromptSubmit", "transcript_path": path, "prompt": text, **more}


def spans(data: bytes, start: int = 0) -> tuple[list[Span], Checkpoint]:
    parser = GuardedParser(SpoolParser(SourceInfo("x.jsonl"), Checkpoint(start, {})))
    found: list[Span] = []
    for one in read_lines(io.BytesIO(data[start:]), start):
        assert not isinstance(one, LongLine)
        found += parser.feed(one)
    found += parser.finish()
    assert sum(span.length for span in found) == len(data) - start
    return found, parser.checkpoint()


def messages(data: bytes) -> list[Message]:
    return [message for span in spans(data)[0] for message in span.messages]


def test_detected_before_other_formats() -> None:
    for said in (prompt("hi"), {"hook_event_name": "Stop", "last_assistant_message": "x"}, {"event": "e"}):
        assert detect(line(said), SourceInfo("20261122-000.jsonl")) is get("hook-spool")
    assert not HookSpool().sniff(b'{"role":"user","content":"hi"}\n', SourceInfo("x.jsonl"))


def test_what_the_transcript_has_is_left_to_it(tmp_path: Path) -> None:
    transcript = tmp_path / "session.jsonl"
    data = line(prompt("hi", str(transcript)))
    assert spans(data)[0][0].messages
    transcript.write_text("")
    assert spans(data)[0][0].skipped == "in_transcript"
    transcript.rename(tmp_path / "session.jsonl.zst")
    assert spans(data)[0][0].skipped == "in_transcript"


def test_transcripts_in_their_known_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = "11111111-2222-4333-8444-555555555555"
    monkeypatch.setenv("COPILOT_HOME", str(tmp_path / "copilot"))
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))
    notify = {"type": "agent-turn-complete", "thread-id": session, "last-assistant-message": "done"}
    for agent, said, name in (
        ("copilot", prompt("hi"), f"copilot/session-state/{session}/events.jsonl"),
        ("codex", notify, f"codex/sessions/2026/11/22/rollout-2026-11-22T10-00-00-{session}.jsonl"),
    ):
        assert spans(line(said, agent))[0][0].messages
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("")
        assert spans(line(said, agent))[0][0].skipped == "in_transcript"


def test_a_transcript_about_to_be_written_is_waited_for(tmp_path: Path) -> None:
    now = time.time_ns() // 1_000_000
    before, after = line(prompt("first")), line(prompt("third"))
    data = before + line(prompt("second", str(tmp_path / "s.jsonl")), received=now) + after
    found, checkpoint = spans(data)
    assert [span.skipped for span in found] == ["", "waits_for_transcript", ""]
    assert checkpoint == Checkpoint(len(before), {LOOK_AGAIN: now + WAIT_MS})
    (tmp_path / "s.jsonl").write_text("")
    found, checkpoint = spans(data, checkpoint.offset)
    assert [span.skipped for span in found] == ["in_transcript", ""]
    assert checkpoint == Checkpoint(len(data), {})
    for elsewhen in (now - WAIT_MS, now + 10 * WAIT_MS):  # a clock that was set back must not make it wait for ever
        found, _ = spans(line(prompt("second", str(tmp_path / "none")), received=elsewhen))
        assert found[0].messages


def test_what_is_said() -> None:
    tool = {"hook_event_name": "PostToolUse", "tool_name": "Bash", "tool_input": {"command": "ls"}}
    tool |= {"tool_response": {"stdout": "a b"}, "tool_use_id": "toolu_0123456789abcdefghij"}
    turn = {"type": "agent-turn-complete", "thread-id": "t", "input-messages": ["do"], "last-assistant-message": "did"}
    said = [
        line(prompt("hello", timestamp="2026-08-13T00:00:00.000Z"), "copilot"),
        line({"hook_event_name": "Stop", "last_assistant_message": "hi", "model": "m"}),
        line(tool),
        line({"hook_event_name": "AfterAgent", "prompt": "p", "prompt_response": "r"}, "gemini"),
        line({"hook_event_name": "afterAgentResponse", "text": "t", "conversation_id": "c"}, "cursor"),
        line(turn, "codex"),
        line({"hook_event_name": "SubagentStop", "last_assistant_message": "sub", "agent_id": "a1"}),
    ]
    found = messages(b"".join(said))
    assert [(m.source, m.role, m.text) for m in found] == [
        ("copilot", "user", "hello"),
        ("claude-code", "assistant", "hi"),
        ("claude-code", "tool", "Bash: ls\n→ a b"),
        ("gemini", "assistant", "r"),
        ("cursor", "assistant", "t"),
        ("codex", "user", "do"),
        ("codex", "assistant", "did"),
        ("claude-code", "assistant", "sub"),
    ]
    assert found[0].timestamp == 1_786_579_200_000
    assert found[1].timestamp == LONG_AGO
    assert found[2].key == "toolu_0123456789abcdefghij"  # as in the transcript
    assert (found[2].kind, found[2].meta["tool"]) == ("tool_call", "Bash")
    assert found[7].meta["sidechain"] is True
    assert all(m.project == "/w" for m in found)


def test_what_is_skipped() -> None:
    said = b"".join(
        [
            line({"hook_event_name": "SessionStart"}),
            line({"hook_event_name": "BrandNewEvent"}),
            line({"hook_event_name": "Stop"}),
            b"\n",
            b'{"v":1}\n',
            b'{"v":1,"id":"x","age\n',
        ]
    )
    found, _ = spans(said)
    reasons = [span.skipped or span.defect for span in found]
    assert reasons == ["event", "unknown_type", "no_text", "blank", "not_a_hook_record", "broken_json"]
    assert found[1].unknown_type == "BrandNewEvent"


def test_two_hooks_of_one_event_are_one_message() -> None:
    once, again = messages(line(prompt("hi", prompt_id="1")) + line(prompt("hi", prompt_id="1"), received=LONG_AGO + 5))
    assert once.key == again.key
    others = [prompt("ho", prompt_id="1"), prompt("hi", prompt_id="2"), prompt("hi", prompt_id="1", session_id="z")]
    assert len({m.key for m in messages(b"".join(map(line, others)))} | {once.key}) == 4


@given(
    st.lists(st.sampled_from([prompt("a"), prompt("b"), {"event": "SessionEnd"}, {"event": "Stop", "text": "c"}])),
    st.lists(st.integers(0, 3_000), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_any_split_gives_the_same(said: list[dict[str, Any]], cuts: list[int]) -> None:
    data = b"".join(map(line, said))
    expected = {m.key for m in messages(data)}
    found: set[str] = set()
    checkpoint = Checkpoint(0, {})
    for cut in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        run, checkpoint = spans(data[:cut], checkpoint.offset)
        found |= {m.key for span in run for m in span.messages}
    assert found == expected


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read(data: bytes) -> None:
    spans(line(prompt("a")) + data)


def test_hook_to_store_and_nothing_twice(hook: Any, tmp_path: Path, secret: str) -> None:
    transcript = tmp_path / "t.jsonl"
    transcript.write_text("{}")
    hook(prompt("We always deploy the billing service on Thursdays, never on Fridays.", session_id="s1"))
    hook(prompt(f"Please remember that the staging password file is at /etc/x and {secret} opens it.", session_id="s1"))
    hook(prompt("This prompt is in the transcript and must not be stored from here.", str(transcript)))
    with MemoryStore(tmp_path / "memory.db") as store:
        reports = []
        for _ in range(2):
            run = Ingestion(POLICY, Options(), store)
            reports.append(run.run([str(hook.spool)]))
            hook(prompt("We always deploy the billing service on Thursdays, never on Fridays.", session_id="s1"))
        texts = sorted(memory.text for memory in store.get_recent(10))
    assert isinstance(reports[0], Report)
    assert (reports[0].stored, reports[0].skipped["in_transcript"], reports[1].stored) == (2, 1, 0)
    assert len(texts) == 2
    assert secret not in "".join(texts)
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or secret.encode() not in file.read_bytes()
