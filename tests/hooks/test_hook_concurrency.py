"""Many hooks at once, hooks that are killed, and a lock that nobody releases: every acknowledged record is whole."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

from memento_ingest.events import spool

MANY = int(os.environ.get("MEMENTO_HOOKS", "40"))


def test_many_hooks_at_once(warm_hook: Any) -> None:
    running = []
    for number in range(MANY):
        process = warm_hook.start(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said = json.dumps({"event": "UserPromptSubmit", "session_id": str(number), "prompt": "p" * number * 999})
        process.stdin.write(said.encode())
        process.stdin.close()
        running.append(process)
    for process in running:
        assert (process.wait(30), process.stdout.read(), process.stderr.read()) == (0, b"", b"")
        process.stdout.close()
        process.stderr.close()
    assert warm_hook.log == ""
    assert sorted(int(record["session_id"]) for record in warm_hook.records) == list(range(MANY))


def test_a_killed_hook_costs_nothing_but_its_own_record(warm_hook: Any) -> None:
    """The writer is killed at random times while it appends; what it reported as written is there and whole."""
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    script = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        from memento_ingest.events import spool
        for number in range(10**6):
            spool.append([Path(sys.argv[1])], b'{"n":%d,"x":"%s"}\\n' % (number, b"x" * 50_000))
            os.write(1, b"%d\\n" % number)
    """)
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", script, str(warm_hook.spool)], stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.1))
        process.kill()
        acknowledged = 1 + len(process.stdout.read().splitlines())
        process.stdout.close()
        process.wait()
        warm_hook({"event": "after"})
        lines = b"".join(path.read_bytes() for path in warm_hook.files).split(b"\n")
        whole = [json.loads(line) for line in lines if line.endswith(b"}")]
        assert whole[-1]["event"] == "after", seed
        assert sum("n" in record for record in whole) >= acknowledged, seed
        for path in warm_hook.files:
            path.unlink()


def test_a_torn_line_is_ended_first(tmp_path: Path) -> None:
    path = spool.append([tmp_path], b'{"a":1}\n')
    with path.open("ab") as file:
        file.write(b'{"b":')
    spool.append([tmp_path], b'{"c":1}\n')
    assert path.read_bytes() == b'{"a":1}\n{"b":\n{"c":1}\n'


def test_a_stopped_process_that_holds_the_lock_is_not_waited_for(warm_hook: Any) -> None:
    warm_hook({"event": "first"})
    [path] = warm_hook.files
    script = f"import fcntl, time; f = open({str(path)!r}); fcntl.flock(f, 2); print(flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert holder.stdout
    holder.stdout.readline()
    holder.send_signal(signal.SIGSTOP)
    try:
        warm_hook({"event": "second"})
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert len(warm_hook.files) == 2
    assert sorted(record["event"] for record in warm_hook.records) == ["first", "second"]


def test_a_full_file_is_followed_by_the_next(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(spool, "MAX_FILE", 20)
    monkeypatch.setattr(spool, "MAX_FILES", 3)
    written = [spool.append([tmp_path], b'{"some":"line"}\n') for _ in range(6)]
    assert [path.name[-8:] for path in written[::2]] == ["000.jsonl"[-8:], "001.jsonl"[-8:], "002.jsonl"[-8:]]
    try:
        spool.append([tmp_path], b"{}\n")
    except OSError as error:
        assert "memento ingest" in str(error)  # noqa: PT017 - the message is what is tested
    else:
        raise AssertionError


def test_only_what_was_wholly_ingested_is_discarded(tmp_path: Path) -> None:
    path = spool.append([tmp_path], b"{}\n")
    assert not spool.discard(path, 2)
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not spool.discard(path, 3)
    assert spool.discard(path, 3)
    assert not path.exists()
    assert not spool.discard(path, 3)


def test_a_file_discarded_under_a_waiting_writer_is_not_written_to(tmp_path: Path) -> None:
    path = spool.append([tmp_path], b"{}\n")
    script = "import sys; from pathlib import Path; from memento_ingest.events import spool; spool.LOCK_SECONDS = 20; "
    script += "print(flush=True); spool.append([Path(sys.argv[1])], b'{\"late\":1}\\n')"
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        writer = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout
        writer.stdout.readline()
        time.sleep(0.2)
        path.unlink()
    assert writer.wait(20) == 0
    writer.stdout.close()
    assert path.read_bytes() == b'{"late":1}\n'
