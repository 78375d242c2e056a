"""`memento mcp` as an agent meets it, beside the command line and beside two public memory servers, in one run.

For each server: from its start to its answer to `initialize`, its memory, the tokens of its schemas and of a typical
answer (as the embedding model's tokenizer counts), and searches one after the other. Every server is given the same
texts through its own tool, and asked the same questions. Times are of a client that speaks JSON over pipes, so that no
client's own work is in them; CPU is the server's until it is ready. Peers are measured where a path is given:

    npm install --prefix /tmp/a @modelcontextprotocol/server-memory
    python3 -m venv /tmp/b && /tmp/b/bin/pip install mcp-memory-service
    python bench/mcp.py --server-memory /tmp/a/node_modules/.bin/mcp-server-memory --memory-service /tmp/b/bin/memory

Memory is what the process and its children hold alone (Pss where the system tells it), in MB.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

MEMENTO = str(Path(sys.executable).with_name("memento"))
SUBJECTS = ("deploy", "backup", "parser", "invoice", "login", "cache", "release", "import", "search", "budget")
PLACES = ("harbor", "atlas", "quarry", "lantern", "orchard", "meadow", "summit", "anchor", "willow", "ember")
TOKENIZER = "tokenizer.json"
START_RUNS = 7


class Recipe(NamedTuple):
    """How to start a server, and how it keeps and finds a text."""

    name: str
    command: list[str]
    keep: Callable[[int, str], tuple[str, dict[str, Any]]]
    find: Callable[[str], tuple[str, dict[str, Any]]]
    environment: Mapping[str, str] = MappingProxyType({})


class Connection:
    """A raw client of one server process."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._started = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        self._next = 0
        client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        self.ask("initialize", client)
        self.ready = time.perf_counter() - self._started
        self.cpu = sum(_cpu_seconds(pid) for pid in self.pids())
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        """Send a request and return its result."""
        self._next += 1
        self._send({"jsonrpc": "2.0", "id": self._next, "method": method, "params": params})
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if (
                line.startswith(b"{")
                and (answer := json.loads(line)).get("id") == self._next
                and "method" not in answer
            ):
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
        raise RuntimeError(f"the server ended while it was asked {method}")

    def call(self, tool: tuple[str, dict[str, Any]]) -> Any:
        """Call a tool; an error of the tool is one of the run."""
        found = self.ask("tools/call", {"name": tool[0], "arguments": tool[1]})
        if found.get("isError"):
            raise RuntimeError(str(found)[:500])
        return found

    def pids(self) -> list[int]:
        """Return the process and its children."""
        found = [self.process.pid]
        for pid in found:
            with suppress(OSError):
                found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def megabytes(self) -> float:
        """Return what the processes hold."""
        return sum(_megabytes(pid) for pid in self.pids())

    def close(self) -> None:
        """End the server."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _megabytes(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(text.partition("\nPss:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024


def texts(count: int) -> list[str]:
    """Return sentences that differ in what they are about."""
    return [
        f"We decided that the {SUBJECTS[number % 10]} of {PLACES[number // 10 % 10]} runs on day {number % 28 + 1}, "
        f"because ticket {1000 + number} showed that the old schedule failed {number % 7 + 2} times."
        for number in range(count)
    ]


def questions(count: int) -> list[str]:
    """Return questions, each about one of the texts."""
    return [f"when does the {SUBJECTS[n % 10]} of {PLACES[n // 10 % 10]} run and why" for n in range(count)]


def counter(model_dir: Path) -> Callable[[Any], int]:
    """Return what counts the tokens of a value as JSON, or of a text."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model_dir / TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(value: Any) -> int:
        text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    return count


def percentiles(times: list[float]) -> str:
    """Return p50 and p99 in milliseconds."""
    times = sorted(times)
    return f"{times[len(times) // 2] * 1000:>8.1f} {times[min(int(len(times) * 0.99), len(times) - 1)] * 1000:>8.1f}"


def bare_python() -> tuple[float, float]:
    """Return the median wall and CPU seconds of a Python that does nothing."""
    walls, cpus = [], []
    for _ in range(START_RUNS):
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        walls.append(time.perf_counter() - started)
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpus.append(now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime)
    return statistics.median(walls), statistics.median(cpus)


def measure(recipe: Recipe, kept: list[str], asked: list[str], count: Callable[[Any], int]) -> None:
    """Print the line of one server."""
    environment = {**os.environ, **recipe.environment}
    starts = []
    for _ in range(START_RUNS):
        connection = Connection(recipe.command, environment)
        starts.append((connection.ready, connection.cpu))
        connection.close()
    connection = Connection(recipe.command, environment)
    try:
        schemas = count(connection.ask("tools/list", {})["tools"])
        idle = connection.megabytes()
        for number, text in enumerate(kept):
            connection.call(recipe.keep(number, text))
        answers = [connection.call(recipe.find(question)) for question in asked[:10]]  # the first ones load a model
        times = []
        began = time.perf_counter()
        for question in asked:
            started = time.perf_counter()
            connection.call(recipe.find(question))
            times.append(time.perf_counter() - started)
        rate = len(asked) / (time.perf_counter() - began)
        shown = statistics.median(count("".join(one.get("text", "") for one in found["content"])) for found in answers)
        ready, cpu = (statistics.median(column) * 1000 for column in zip(*starts, strict=True))
        busy = connection.megabytes()
    finally:
        connection.close()
    print(
        f"  {recipe.name:<26} {ready:>8.0f} {cpu:>8.0f} {idle:>8.1f} {busy:>8.1f} {schemas:>8} {shown:>8.0f}"
        f" {rate:>8.0f} {percentiles(times)}"
    )


def command_line(asked: list[str], environment: dict[str, str]) -> None:
    """Print the line of `memento recall`, a new process for each question."""
    times = []
    for question in asked[:40]:
        started = time.perf_counter()
        subprocess.run(
            [MEMENTO, "recall", "-k", "8", "--json", question], env=environment, stdout=subprocess.DEVNULL, check=False
        )
        times.append(time.perf_counter() - started)
    blank = " " * 53
    print(f"  {'memento recall (command)':<26} {blank} {1 / statistics.mean(times):>8.0f} {percentiles(times)}")


@contextmanager
def sidecar(environment: dict[str, str], folder: Path) -> Iterator[None]:
    """Run a sidecar beside the measurements."""
    from memento_ingest.server.unix_socket import socket_path

    process = subprocess.Popen([MEMENTO, "watch", str(folder)], env=environment, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not socket_path(Path(environment["MEMENTO_HOME"], "memory.db")).exists():
            if time.monotonic() > until or process.poll() is not None:
                raise RuntimeError("the sidecar did not start")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--server-memory", metavar="PATH", help="@modelcontextprotocol/server-memory")
    parser.add_argument("--memory-service", metavar="PATH", help="`memory` of mcp-memory-service, or a command")
    options = parser.parse_args()
    from memento.config import load_config

    count = counter(load_config().model_dir)
    kept, asked = texts(options.texts), questions(options.questions)
    wall, cpu = bare_python()
    print(f"bare Python: {wall * 1000:.0f} ms, {cpu * 1000:.0f} ms of CPU; {options.texts} texts")
    print(
        f"  {'server':<26} {'ready ms':>8} {'cpu ms':>8} {'MB idle':>8} {'MB busy':>8} {'schemas':>8} {'answer':>8}"
        f" {'calls/s':>8} {'p50 ms':>8} {'p99 ms':>8}"
    )
    with tempfile.TemporaryDirectory() as name:
        home = Path(name, "home")
        home.mkdir(mode=0o700)
        fast = "server: {requests_per_second: 100000}\nsidecar: {preload_model: true}\nmcp: {start_sidecar: false}\n"
        (home / "config.yaml").write_text(fast)
        settings = {"HOME": name, "MEMENTO_HOME": str(home), "MEMENTO_MODEL_DIR": str(load_config().model_dir)}
        environment = {**os.environ, **settings}
        folder = Path(name, "transcripts")
        folder.mkdir()
        memento = Recipe(
            "memento mcp, sidecar",
            [MEMENTO, "mcp"],
            lambda number, text: ("remember", {"text": text}),
            lambda question: ("recall", {"query": question}),
            settings,
        )
        with sidecar(environment, folder):
            measure(memento, kept, asked, count)
            command_line(asked, environment)
        measure(memento._replace(name="memento mcp, alone"), kept, asked, count)
        for peer in peers(options, Path(name)):
            measure(peer, kept, asked, count)


def peers(options: argparse.Namespace, folder: Path) -> Iterator[Recipe]:
    """Yield the peers whose path was given, each with a store of its own."""
    if options.server_memory:
        yield Recipe(
            "server-memory (npm)",
            [options.server_memory],
            lambda number, text: (
                "create_entities",
                {"entities": [{"name": f"memory {number}", "entityType": "decision", "observations": [text]}]},
            ),
            lambda question: ("search_nodes", {"query": question.split()[3]}),  # it finds substrings only
            {"MEMORY_FILE_PATH": str(folder / "server-memory.jsonl")},
        )
    if options.memory_service:
        yield Recipe(
            "mcp-memory-service (PyPI)",
            [*options.memory_service.split(), "server"],
            lambda number, text: ("memory_store", {"content": text, "conversation_id": "bench"}),  # no deduplication
            lambda question: ("memory_search", {"query": question, "limit": 8}),
            {"MCP_MEMORY_STORAGE_BACKEND": "sqlite_vec", "MCP_MEMORY_SQLITE_PATH": str(folder / "service.db")},
        )


if __name__ == "__main__":
    main()
