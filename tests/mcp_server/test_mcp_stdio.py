"""`memento mcp` as a process: the SDK's client in both eras, broken and huge input, and its end with its client's."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.mcp_server.conftest import MEMENTO, MODES, Home, call, request

from mcp import Client, types
from memento_app.mcp import stdio

KILLS = int(os.environ.get("MEMENTO_MCP_KILLS", "10"))
"""How often the parent is killed; 200 at full count."""
HEAVY = ("numpy", "onnxruntime", "pydantic", "mcp", "mcp_types", "typer", "yaml", "asyncio", "apsw", "msgspec")
MOST_MEGABYTES = 45
PING = json.dumps(request(1, "ping")).encode() + b"\n"


def eventually(holds: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def answered(process: subprocess.Popen[bytes], line: bytes = PING) -> Any:
    """Send a line and return the next one that comes back."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line)
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def test_the_sdks_client_uses_everything_in_every_mode(home: Home) -> None:
    async def use(mode: str) -> None:
        async with home.client(mode) as client:
            await uses_everything(client)

    for mode in MODES:
        anyio.run(use, mode)


async def uses_everything(client: Client) -> None:
    tools = (await client.list_tools()).tools
    assert len(tools) == 6
    kept = await client.call_tool("remember", {"text": "We deploy on Tuesdays only"})
    id_ = (kept.structured_content or {})["id"]
    for name, arguments in (
        ("recall", {"query": "when do we deploy"}),
        ("recent", {"k": 1}),
        ("session", {"id": id_}),
        ("why", {"id": id_}),
        ("forget", {"ids": [id_]}),
    ):
        found = await client.call_tool(name, arguments)  # the client checks it against the output schema
        assert not found.is_error, found
        assert isinstance(found.content[0], types.TextContent)
        assert "We deploy on Tuesdays only" in found.content[0].text
    assert (await client.call_tool("recall", {})).is_error
    listed = (await client.list_resources()).resources
    page = await client.read_resource(listed[0].uri)
    assert "<!doctype html>" in str(getattr(page.contents[0], "text", ""))
    assert (await client.list_resource_templates()).resource_templates
    assert {prompt.name for prompt in (await client.list_prompts()).prompts} == {"decided", "continue"}
    prompt = await client.get_prompt("decided", {"topic": "deploy"})
    assert "We deploy on Tuesdays only" in str(prompt.messages[0].content)
    done = await client.call_tool("forget", {"ids": [id_], "confirm": True})
    assert (done.structured_content or {})["forgotten"] is True
    assert (await client.call_tool("why", {"id": id_})).is_error


def test_each_request_is_answered_in_its_own_era(home: Home) -> None:
    old, new = home.ask(request("a", "tools/list"), request("b", "tools/list", modern=True))
    assert "resultType" not in old["result"]
    assert new["result"]["resultType"] == "complete"


def test_nothing_heavy_is_imported_before_a_call(home: Home) -> None:
    lines = PING + json.dumps(request(2, "tools/list")).encode() + b"\n"
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", MEMENTO, "mcp"], input=lines, env=home.environment, capture_output=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert len(ran.stdout.splitlines()) == 2
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in ran.stderr.decode().splitlines()}
    assert "memento_app" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_is_small_when_it_is_ready_and_works_alone_without_numpy(home: Home) -> None:
    process = home.start()
    answered(process, json.dumps(request(1, "tools/list")).encode() + b"\n")
    assert peak_megabytes(process) < MOST_MEGABYTES / 2
    answered(process, json.dumps(call(2, "recent")).encode() + b"\n")
    assert peak_megabytes(process) < MOST_MEGABYTES
    answered(process, json.dumps(call(3, "remember", text="We deploy on Tuesdays")).encode() + b"\n")
    mapped = Path(f"/proc/{process.pid}/maps").read_text()
    assert "numpy" not in mapped
    assert "onnxruntime" not in mapped


def peak_megabytes(process: subprocess.Popen[bytes]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def test_broken_lines_are_refused_and_what_follows_is_answered(home: Home) -> None:
    answers = home.ask(
        b"{\n", b"\xff\xfe\n", b"\n", b"   \r\n", b"[1, 2]\n", b"[" * 100_000 + b"\n", b'"text"\n',
        request(1, "ping"), b'{"jsonrpc": "2.0", "id": 2, "method": "ping"}',  # the last one without its newline
    )  # fmt: skip
    codes = [one["error"]["code"] for one in answers if one["id"] is None]
    assert sorted(codes) == [-32700, -32700, -32700, -32600, -32600]
    assert [one["id"] for one in answers if one["id"] is not None] == [1, 2]


def test_a_huge_message_is_dropped_as_it_comes(home: Home) -> None:
    process = home.start()
    answered(process)
    before = peak_megabytes(process) if sys.platform == "linux" else 0
    assert process.stdin is not None
    for _ in range(64):
        process.stdin.write(b"x" * 1024 * 1024)
    assert answered(process, b"\n")["error"]["code"] == -32600
    assert answered(process)["result"] == {}
    if sys.platform == "linux":
        assert peak_megabytes(process) - before < 20


def test_a_large_text_is_taken(home: Home) -> None:
    (answer,) = home.ask(call(1, "remember", text="harbor " * 20_000))
    assert answer["result"]["structuredContent"]["id"]


def test_many_requests_at_once_are_each_answered_once(home: Home) -> None:
    home.remember(*(f"memory {number} about the harbor" for number in range(20)))
    asked = [call(number, "recall", query="harbor") if number % 2 else call(number, "recent") for number in range(120)]
    answers = home.ask(*asked)
    assert sorted(one["id"] for one in answers) == list(range(120))
    assert all(one["result"]["structuredContent"]["memories"] for one in answers)


def test_more_than_may_wait_are_turned_down_and_pings_are_still_answered() -> None:
    """The calls block until they are let go; what is quick does not wait for them."""
    program = (
        "import sys, threading\n"
        "from memento_app.mcp import stdio\n"
        "gate = threading.Event()\n"
        "def serve(method, params):\n"
        "    print('stray')\n"
        "    if params.get('name') == 'open': gate.set()\n"
        "    gate.wait(20)\n"
        "    return {'content': []}\n"
        "stdio.THREADS, stdio.MAX_WAITING = 2, 5\n"
        "stdio.run(serve)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        lines = [json.dumps(call(number, "wait")).encode() + b"\n" for number in range(40)]
        process.stdin.write(b"".join(lines) + json.dumps(request("p", "ping")).encode() + b"\n")
        process.stdin.flush()
        answers: list[Any] = []
        while not answers or answers[-1]["id"] != "p":
            answers.append(json.loads(process.stdout.readline()))
        process.kill()
        assert process.stderr is not None
        assert b"stray" in process.stderr.read(), "what is printed does not reach the client"
    turned_down = answers[:-1]
    assert len(turned_down) >= 40 - 2 - 5
    assert all(one["error"]["code"] == -32000 for one in turned_down)


def test_a_cancelled_request_is_not_answered() -> None:
    sent: list[bytes] = []

    class Deaf(stdio.Server):
        def _write(self, line: bytes) -> None:
            sent.append(line)

    began: list[int] = []

    def serve(method: str, params: dict[str, Any]) -> dict[str, Any]:
        began.append(1)
        eventually(lambda: bool(flag))
        return {}

    flag: list[int] = []
    server = Deaf(serve, -1)
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "slow"}}
    server.take(json.dumps(cancelled).encode())  # of a request that is not there: it cancels no later one
    server.take(json.dumps(request("slow", "tools/call")).encode())
    eventually(lambda: bool(began))
    flag.append(1)
    server.finish(lambda: False)
    flag.clear()
    server.take(json.dumps(request("slow", "tools/call")).encode())
    eventually(lambda: len(began) == 2)
    server.take(json.dumps(cancelled).encode())
    flag.append(1)
    server.finish(lambda: False)
    server.take(PING)
    server.finish(lambda: False)
    assert [json.loads(line)["id"] for line in sent] == ["slow", 1]


def test_what_a_client_answers_is_not_sent_back_to_it(home: Home) -> None:
    (answer,) = home.ask(
        {"jsonrpc": "2.0", "id": 5, "error": {"code": 1, "message": "x"}},
        {"jsonrpc": "2.0", "id": 6, "result": {}},
        {"jsonrpc": "2.0", "id": 7, "method": "ping", "error": 1},
    )
    assert answer == {"jsonrpc": "2.0", "id": 7, "result": {}}


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_standard_stream_does_no_harm(home: Home, closed: int) -> None:
    shell = f"exec {MEMENTO} mcp {closed}{'<' if closed == 0 else '>'}&-"
    done = subprocess.run(
        ["sh", "-c", shell], input=PING, env=home.environment, capture_output=True, timeout=30, check=False
    )
    assert b"Traceback" not in done.stderr
    assert bool(done.stdout) == (closed == 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_ends_on_a_signal_also_where_that_was_ignored_before(home: Home, number: signal.Signals) -> None:
    ignore = (lambda: signal.signal(number, signal.SIG_IGN)) if number == signal.SIGTERM else None
    process = home.start(preexec_fn=ignore)
    answered(process)
    process.send_signal(number)
    assert process.wait(10) in (0, -number)


def test_ctrl_c_ends_it_without_a_word(home: Home) -> None:
    process = home.start(preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    answered(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert b"Traceback" not in err


def test_it_ends_when_nobody_reads_its_answers(home: Home) -> None:
    process = home.start()
    assert process.stdin is not None
    assert process.stdout is not None
    answered(process)
    process.stdout.close()
    process.stdin.write(PING)
    process.stdin.flush()
    assert process.wait(10) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_server_outlives_a_parent_that_is_killed(home: Home) -> None:
    """The pipe stays open in this process, so that only the parent's end tells the server to end."""
    parent = (
        "import subprocess, sys\n"
        "process = subprocess.Popen(sys.argv[1:])\n"
        "print(process.pid, file=sys.stderr, flush=True)\n"
        "process.wait()\n"
    )
    orphans: list[int] = []
    for number in range(KILLS):
        source, sink = os.pipe()
        starter = subprocess.Popen(
            [sys.executable, "-c", parent, MEMENTO, "mcp"],
            stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=home.environment, cwd=home.project,
        )  # fmt: skip
        assert starter.stderr is not None
        assert starter.stdout is not None
        server = int(starter.stderr.readline())
        if number % 2:  # every other one is killed while it works on a call
            os.write(sink, json.dumps(call(1, "remember", text=f"number {number}")).encode() + b"\n")
        os.write(sink, PING)
        select.select([starter.stdout], [], [], 20)
        starter.kill()
        starter.wait()
        orphans.append(server)
        eventually(lambda pid=server: not is_alive(pid))  # type: ignore[misc]
        starter.stdout.close()
        starter.stderr.close()
        os.close(source)
        os.close(sink)
    assert len(orphans) == KILLS
    assert not any(map(is_alive, orphans))


def test_the_group_takes_options_and_says_what_is_wrong(home: Home) -> None:
    (answer,) = home.ask(request(1, "ping"), arguments=("--no-start",))
    assert answer["result"] == {}
    for wrong, says in ((("--no-such",), b"--no-such"), (("--db", ""), b"--db is empty")):
        process = home.start(*wrong)
        out, err = process.communicate(b"", 30)
        assert process.returncode == 2
        assert says in err
        assert not out


def test_another_store_can_be_named(home: Home) -> None:
    asked = call(1, "remember", text="kept elsewhere")
    (answer,) = home.ask(asked, arguments=("--db", str(home.folder.parent / "other.db")))
    assert not answer["result"]["isError"]
    assert (home.folder.parent / "other.db").exists()
    assert not (home.folder / "memory.db").exists()


def test_settings_that_cannot_be_used_are_told_by_the_call(home: Home) -> None:
    home.configure("mcp: {start_sidcar: false}\n")
    (ping, failed) = home.ask(request(1, "ping"), call(2, "recent"))
    assert ping["result"] == {}
    assert "did you mean `mcp.start_sidecar`?" in failed["error"]["message"]
