"""Download of the published files from the model hub, resumable and verified, with the standard library alone.

`huggingface_hub` would resume too, but it writes to a cache of its own, checks the size instead of the hash, and costs
200 ms to import. `HF_ENDPOINT` names another hub, `HF_HUB_OFFLINE` forbids the download.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from memento.base.durable import sync
from memento.embedding.model_files import PINNED, Pinned, is_published_file
from memento.errors import ModelError

if TYPE_CHECKING:
    from http.client import HTTPResponse

Progress = Callable[[int, int, str], None]
"""Called with (done, total, what is being done), in bytes while something is downloaded; total 0 marks a message."""

REPOSITORY = "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2"
TIMEOUT = 10.0
"""Seconds to wait for a connection, and for the next bytes of one."""
MAX_RESUMES = 20
BLOCK = 1 << 18


def repository_url() -> str:
    """Return the model's address on the hub in use. Raises ModelError when the environment forbids or misnames it."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise ModelError("HF_HUB_OFFLINE forbids the model hub")
    address = urlsplit(REPOSITORY)
    endpoint = os.environ.get("HF_ENDPOINT") or f"{address.scheme}://{address.netloc}"
    if urlsplit(endpoint).scheme not in {"http", "https"}:
        raise ModelError(f"HF_ENDPOINT is {endpoint!r}: it must begin with https:// or http://")
    return endpoint.rstrip("/") + address.path


def fetch(folder: Path, progress: Progress) -> None:
    """Download the published files into `folder`, resuming an earlier run. Raises ModelError."""
    repository = repository_url()
    for name, pinned in sorted(PINNED.items(), key=lambda item: item[1].size):
        download(f"{repository}/resolve/main/{name}", folder / name, pinned, progress)


def download(url: str, target: Path, pinned: Pinned, progress: Progress) -> None:
    """Download `url` to `target` by way of `target`.part, and rename it once its hash is right. Raises ModelError."""
    part = target.with_name(f"{target.name}.part")
    begun_earlier = part.exists()
    _complete(url, part, pinned.size, progress)
    if is_published_file(part, pinned):
        sync(part)
        part.replace(target)
        return
    part.unlink()
    if not begun_earlier:
        raise ModelError(f"{url} is not the published file (its SHA-256 differs): try another --source")
    download(url, target, pinned, progress)


def _complete(url: str, part: Path, size: int, progress: Progress) -> None:
    """Fetch the missing bytes of `part`; resume a broken connection as long as each one brings some bytes."""
    from http.client import HTTPException
    from urllib.error import HTTPError

    for _ in range(MAX_RESUMES):
        before = _size(part)
        if before >= size:
            return
        try:
            _append(url, part, size, progress)
        except HTTPError as error:
            raise ModelError(f"{url} answered {error.code} {error.reason}") from error
        except (OSError, HTTPException) as error:
            if _size(part) <= before:
                raise ModelError(f"cannot download {url}: {getattr(error, 'reason', error)}") from error
    if _size(part) < size:
        raise ModelError(f"the connection to {url} broke {MAX_RESUMES} times: run `memento model pull` to go on")


def _append(url: str, part: Path, size: int, progress: Progress) -> None:
    """Read one response into `part`; it starts over when the server ignores the range."""
    from urllib.request import Request, urlopen

    done = _size(part)
    headers = {"Accept-Encoding": "identity", "User-Agent": "memento"} | ({"Range": f"bytes={done}-"} if done else {})
    with cast("HTTPResponse", urlopen(Request(url, headers=headers), timeout=TIMEOUT)) as response:  # noqa: S310 - scheme checked
        resumes = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {done}-")
        with part.open("ab" if resumes else "wb") as file:
            done = file.tell()
            while done < size and (block := response.read(min(BLOCK, size - done))):
                file.write(block)
                done += len(block)
                progress(done, size, f"downloading {part.stem}")
    if done < size:
        raise ConnectionError(f"the server closed after {done} of {size} bytes")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
