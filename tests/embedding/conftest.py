"""A hub on loopback that can misbehave, and the published files to serve from it."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from memento.embedding import model_files
from memento.embedding.model_files import FP32, TOKENIZER, WEIGHTS, Pinned


@dataclass
class FakeHub:
    """Serves `files` by name under any repository address, and records what was asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    close_after: list[int] = field(default_factory=list)
    """Bodies are cut off after so many bytes, one entry per response, then no more."""
    stall_after: int = 0
    """If set, the next longer body stops after so many bytes until `resume` is set."""
    resume: threading.Event = field(default_factory=threading.Event)
    honours_range: bool = True
    requests: list[tuple[str, str]] = field(default_factory=list)
    """(file name, Range header or empty), without the redirects."""

    def count(self, name: str) -> int:
        return sum(requested == name for requested, _ in self.requests)


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            if not self.path.startswith("/storage/"):  # The real hub sends large files to another address, too.
                self.send_response(302)
                self.send_header("Location", f"/storage/{name}")
                self.end_headers()
                return
            requested = self.headers.get("Range", "")
            hub.requests.append((name, requested))
            if name not in hub.files:
                self.send_error(404)
                return
            body = hub.files[name]
            start = int(requested.removeprefix("bytes=").rstrip("-")) if requested and hub.honours_range else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            limit = hub.close_after.pop(0) if hub.close_after else len(body)
            if 0 < hub.stall_after < len(body):
                limit, hub.stall_after = hub.stall_after, 0
                self.wfile.write(body[start : start + limit])
                hub.resume.wait(30)
                return
            self.wfile.write(body[start : start + limit])

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Run a fake hub, and point HF_ENDPOINT at it."""
    fake = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", fake.url)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield fake
    fake.resume.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def published_folder(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the published tokenizer and the model's real weights, written anew as safetensors."""
    import onnx

    from memento.embedding.graph import unpack_weights

    folder = tmp_path_factory.mktemp("published")
    shutil.copyfile(model_dir / TOKENIZER, folder / TOKENIZER)
    header, blobs, offset = {}, [], 0
    for name, value in unpack_weights(onnx.load(model_dir / FP32)).items():
        blobs.append(value.tobytes())
        header[name] = {"dtype": "F32", "shape": value.shape, "data_offsets": [offset, offset + value.nbytes]}
        offset += value.nbytes
    head = json.dumps(header).encode()
    (folder / WEIGHTS).write_bytes(len(head).to_bytes(8, "little") + head + b"".join(blobs))
    return folder


@pytest.fixture
def bag_of_tokens(model_dir: Path) -> Callable[..., Any]:
    """Return a function that exports a model which looks each token up in a table, and returns the table.

    Its inputs are int64, with segments, as optimum writes them.
    """
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def write(folder: Path, tokenizer: Path = model_dir / TOKENIZER) -> Any:
        folder.mkdir(parents=True)
        shutil.copyfile(tokenizer, folder / TOKENIZER)
        table = np.random.default_rng(3).standard_normal((30_522, 20)).astype(np.float32)
        names = ("input_ids", "attention_mask", "token_type_ids")
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "t"]) for name in names]
        result = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["b", "t", 20])
        nodes = [
            helper.make_node("Add", ["input_ids", "token_type_ids"], ["moved"]),
            helper.make_node("Gather", ["table", "moved"], ["last_hidden_state"]),
        ]
        graph = helper.make_graph(nodes, "bag", inputs, [result], [numpy_helper.from_array(table, "table")])
        (folder / "onnx").mkdir()
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
        onnx.save(model, folder / "onnx" / "model.onnx")
        return table

    return write


@pytest.fixture
def published(published_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return `published_folder`, its files pinned as the published ones (their header is not the original's)."""
    pin(monkeypatch, WEIGHTS, (published_folder / WEIGHTS).read_bytes())
    return published_folder


def pin(monkeypatch: pytest.MonkeyPatch, name: str, content: bytes) -> Pinned:
    """Declare `content` to be the published file."""
    pinned = Pinned(hashlib.sha256(content).hexdigest(), len(content))
    monkeypatch.setitem(model_files.PINNED, name, pinned)
    return pinned
