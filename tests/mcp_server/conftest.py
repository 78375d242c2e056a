"""What the tests of the MCP server share: `memento mcp` in a home of its own, raw or behind the SDK's client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mcp import Client, StdioServerParameters, stdio_client
from memento.config import load_config
from memento.store import MemoryStore

MEMENTO = Path(sys.executable).with_name("memento")
MODES = ("legacy", "auto", "2026-07-28")
"""How the SDK's client opens a connection: with the handshake, by asking, and without either."""
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Home:
    """A folder of Memento's, without a model, and what starts servers in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "memento"
        self.folder.mkdir(mode=0o700)
        self.project = folder / "harbor"
        self.project.mkdir()
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "HOME": str(folder),
            "MEMENTO_HOME": str(self.folder),
            "MEMENTO_MODEL_DIR": "no-model",
        }
        self.configure("mcp: {start_sidecar: false}\n")
        self.started: list[subprocess.Popen[bytes]] = []

    def configure(self, text: str) -> None:
        (self.folder / "config.yaml").write_text(text)

    def store(self) -> MemoryStore:
        return MemoryStore(config=load_config(environment=self.environment))

    def remember(self, *texts: str, **options: Any) -> list[str]:
        with self.store() as store:
            return [store.remember(text, embed=False, **options) for text in texts]

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a server with pipes on both sides."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen([MEMENTO, "mcp", *arguments], env=self.environment, cwd=self.project, **pipes)
        self.started.append(process)
        return process

    def ask(self, *messages: Any, arguments: tuple[str, ...] = ()) -> list[Any]:
        """Send messages, then the end of the input; return what was answered, by the order of ids."""
        lines = b"".join(one if isinstance(one, bytes) else json.dumps(one).encode() + b"\n" for one in messages)
        process = self.start(*arguments)
        out, err = process.communicate(lines, 60)
        assert b"Traceback" not in err, err.decode()
        assert process.returncode == 0
        return sorted(map(json.loads, out.splitlines()), key=lambda one: str(one["id"]))

    def client(self, mode: str, *arguments: str) -> Client:
        """Return the SDK's client of a server of its own."""
        server = StdioServerParameters(
            command=str(MEMENTO), args=["mcp", *arguments], env=self.environment, cwd=self.project
        )
        return Client(stdio_client(server), mode=mode)


def request(id_: int | str, method: str, *, modern: bool = False, **params: Any) -> dict[str, Any]:
    """Return a request of either era."""
    if modern:
        params["_meta"] = ENVELOPE
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


def call(id_: int | str, name: str, modern: bool = False, **arguments: Any) -> dict[str, Any]:
    """Return a call of a tool."""
    return request(id_, "tools/call", modern=modern, name=name, arguments=arguments)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Return a home in which no sidecar is started."""
    home = Home(tmp_path)
    yield home
    for process in home.started:
        with suppress(OSError):
            process.kill()
        process.communicate()
