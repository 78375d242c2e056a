"""`memento hook` as a process: one payload becomes one redacted record, and nothing can make it fail its agent."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from memento.config import load_config
from memento_ingest.hooks import entry, problems

PAYLOADS = sorted((Path(__file__).parents[1] / "fixtures" / "hooks").glob("*/*.json"))
PROMPT = {"hook_event_name": "UserPromptSubmit", "session_id": "s" * 20, "transcript_path": None, "prompt": "hello"}
HEAVY = "typer pydantic yaml numpy onnxruntime rich msgspec dataclasses apsw click importlib.resources".split()
HEAVY += ["memento_policies.checks", "memento_policies.reaches"]  # many patterns: only for what may be a secret


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_sample_payload_becomes_one_redacted_record(warm_hook: Any, secret: str, path: Path) -> None:
    payload = json.loads(path.read_bytes())
    for name, value in payload.items():
        if name in ("prompt", "message", "last_assistant_message", "initial_prompt"):
            payload[name] = f"{value} {secret}"
        if name in ("tool_input", "tool_response", "tool_result") and isinstance(value, dict):
            value["token"] = secret
    warm_hook(payload, "--agent", path.parent.name)
    if payload["hook_event_name"] in entry.ONLY_ASKED:  # its result is told again
        assert warm_hook.records == []
        return
    [record] = warm_hook.records
    assert record["agent"] == path.parent.name.replace("claude", "claude-code")
    assert record["event"] == payload["hook_event_name"]
    assert record["session_id"] == payload["session_id"]
    for file in [*warm_hook.home.rglob("*")]:
        assert file.is_dir() or secret.encode() not in file.read_bytes()
    if "prompt" in payload:
        assert "[REDACTED:" in record["prompt"]


def test_several_objects_make_several_records(warm_hook: Any) -> None:
    warm_hook(b'{"event":"a"}\n{"event":"b"}\n\n{\n "event": "c"\n}{"event":"d"}')
    assert [record["event"] for record in warm_hook.records] == ["a", "b", "c", "d"]
    assert len({record["id"] for record in warm_hook.records}) == 4


def test_notify_gives_its_payload_as_an_argument(warm_hook: Any) -> None:
    said: dict[str, Any] = {"type": "agent-turn-complete", "thread-id": "t", "turn-id": "1", "cwd": "/w"}
    said |= {"input-messages": ["do", "it"], "last-assistant-message": "done"}
    warm_hook(b"", json.dumps(said))
    [record] = warm_hook.records
    assert (record["agent"], record["prompt"], record["answer"]) == ("codex", "do\n\nit", "done")


def test_modes_under_any_umask(hook: Any) -> None:
    hook(PROMPT, preexec_fn=lambda: os.umask(0))
    hook(b"no", preexec_fn=lambda: os.umask(0))
    for path in [hook.home, *hook.home.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize(
    "given",
    [b"", b"\n \n", b"no json", b"{", b'{"a":', b"[" * 100_000, b"42", b'"text"', b"\xff\xfe\x00", b"\0" * 1000],
    ids=lambda given: repr(given[:8]),
)
def test_input_that_is_no_object(warm_hook: Any, given: bytes) -> None:
    warm_hook(given)
    assert warm_hook.records == []
    assert bool(warm_hook.log) == bool(given.strip())


def test_odd_values(warm_hook: Any) -> None:
    given = b'{"event":"a\\ud800","prompt":"x\\u0000y","session_id":' + b"9" * 5000 + b',"cwd":["/a"],"model":{}}'
    warm_hook(given)
    [record] = warm_hook.records
    assert record["prompt"] == "x\ufffdy"
    warm_hook({"event": "e", "tool_input": json.loads("[" * 900 + "]" * 900)})


def test_too_long_an_input_is_dropped(warm_hook: Any) -> None:
    warm_hook({"prompt": "x" * (entry.MAX_INPUT + 1)})
    assert warm_hook.records == []
    assert "longer than 16 MiB" in warm_hook.log


def test_long_texts_are_cut_and_no_half_secret_stays(warm_hook: Any, secret: str) -> None:
    warm_hook({"event": "PostToolUse", "tool_response": "x " * 31_000 + f" {secret} " * 1_000 + secret[:20]})
    [record] = warm_hook.records
    assert len(record["tool_output"]) < 66_000
    assert "characters left out" in record["tool_output"]
    assert secret[:20] not in record["tool_output"]


def test_a_closed_or_silent_standard_input(warm_hook: Any) -> None:
    warm_hook(b"", input=None, stdin=None, preexec_fn=lambda: os.close(0))
    started = time.monotonic()
    process = warm_hook.start(stdout=subprocess.PIPE)
    assert process.stdin
    process.stdin.write(json.dumps(PROMPT).encode())
    process.stdin.flush()  # and never closed
    assert process.wait(10) == 0
    process.communicate()
    assert time.monotonic() - started < entry.TOTAL_SECONDS
    assert [record["prompt"] for record in warm_hook.records] == ["hello"]


def test_a_closed_standard_output(warm_hook: Any) -> None:
    def close() -> None:
        os.close(1)
        os.close(2)

    warm_hook(PROMPT, capture_output=False, preexec_fn=close)
    assert len(warm_hook.records) == 1


def test_a_full_disk_leaves_the_spool_whole(warm_hook: Any) -> None:
    warm_hook(PROMPT)
    size = warm_hook.files[0].stat().st_size

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, size + 40))

    warm_hook({**PROMPT, "prompt": "lost"}, preexec_fn=limit)
    assert warm_hook.files[0].stat().st_size == size
    warm_hook({**PROMPT, "prompt": "again"})
    assert [record["prompt"] for record in warm_hook.records] == ["hello", "again"]
    assert "OSError" in warm_hook.log


def test_a_full_disk_with_a_runtime_folder_loses_nothing(hook: Any, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    hook.home.mkdir()
    hook.spool.write_bytes(b"")
    hook.environment["XDG_RUNTIME_DIR"] = str(tmp_path / "run")
    hook(PROMPT)
    [path] = (tmp_path / "run" / "memento" / "spool").iterdir()
    assert json.loads(path.read_bytes())["prompt"] == "hello"


def test_nowhere_to_write(hook: Any, tmp_path: Path) -> None:
    hook.home.mkdir()
    hook.spool.write_bytes(b"a file")
    hook(PROMPT)
    assert hook.spool.read_bytes() == b"a file"
    assert "NotADirectoryError" in hook.log
    hook.environment["MEMENTO_HOME"] = "/proc/nowhere"
    hook(PROMPT)
    hook.environment["MEMENTO_HOME"] = "/dev/null/x\n"
    hook(PROMPT)
    hook.environment = {"MEMENTO_HOME": "~nobody-of-this-name/x"}
    hook(PROMPT, cwd=tmp_path)
    assert not list(tmp_path.glob("~*"))


def test_the_spool_may_be_no_link_and_no_pipe(warm_hook: Any, tmp_path: Path) -> None:
    warm_hook(PROMPT)
    [path] = warm_hook.files
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    warm_hook(PROMPT)
    assert not (tmp_path / "elsewhere").exists()
    path.unlink()
    os.mkfifo(path)
    warm_hook(PROMPT)
    assert "not a regular file" in warm_hook.log


def test_a_broken_policy(hook: Any, secret: str) -> None:
    policies = hook.home / "policies"
    policies.mkdir(parents=True)
    (policies / "redaction.yaml").write_text("rules: [{name: x")
    hook(PROMPT)
    assert hook.records == []  # what cannot be redacted is not written
    assert "PolicyError" in hook.log
    (policies / "redaction.yaml").unlink()
    hook(PROMPT)
    (policies / "redaction.yaml").write_text("rules: [{name: x")
    hook({**PROMPT, "prompt": secret})
    assert [record["prompt"] for record in hook.records] == ["hello", "[REDACTED:github]"]
    assert "last good redaction rules" in hook.log


def test_the_users_rules_count_at_once(hook: Any) -> None:
    hook({**PROMPT, "prompt": "ticket ABC-778899 x"})
    policies = hook.home / "policies"
    policies.mkdir()
    rule = "{name: ticket, kind: ticket, pattern: 'ABC-[0-9]{6}', entropy: 0}"
    (policies / "redaction.yaml").write_text(f"rules: [{rule}]")
    hook({**PROMPT, "prompt": "ticket ABC-778899 x"})
    hook({**PROMPT, "prompt": "ticket ABC-778899 y"})
    assert [record["prompt"] for record in hook.records] == [
        "ticket ABC-778899 x",
        "ticket [REDACTED:ticket] x",
        "ticket [REDACTED:ticket] y",
    ]


def test_the_log_is_bounded(tmp_path: Path) -> None:
    for number in range(400):
        problems.note(tmp_path, f"{number} " + "x\n" * 1_000)
    log = tmp_path / problems.NAME
    assert log.stat().st_size <= problems.MAX_BYTES + 1_000
    assert log.read_text().splitlines()[-1].split()[1] == "399"


def test_a_warm_hook_imports_nothing_heavy(warm_hook: Any) -> None:
    code = "\n".join(
        [
            "import os, sys",
            "import memento_app.cli",
            "def ended(code):",
            f"    sys.stderr.write(repr([m for m in {HEAVY!r} if m in sys.modules]) + str(code))",
            "    sys.stderr.flush()",
            "    os.kill(os.getpid(), 9)",
            "os._exit = ended",
            "sys.argv = ['memento', 'hook']",
            "memento_app.cli.main()",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(PROMPT).encode(), env=warm_hook.environment, capture_output=True
    )
    assert done.stderr == b"[]0"
    assert len(warm_hook.records) == 1


def test_the_folder_is_that_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("/some/where", "~/else", ""):
        monkeypatch.setenv("MEMENTO_HOME", value)
        assert entry.home() == load_config().home


def test_help_is_that_of_the_command_line(hook: Any) -> None:
    command = [str(Path(sys.executable).with_name("memento")), "hook", "--help"]
    done = subprocess.run(command, env=hook.environment, capture_output=True, text=True, check=True)
    assert "Usage: memento hook" in done.stdout
