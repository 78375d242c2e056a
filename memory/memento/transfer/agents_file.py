"""Standing instructions as a block between two marker comments, for AGENTS.md and files like it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from memento.base import durable
from memento.base.escaping import quoted
from memento.errors import StoreError, UsageError
from memento.memory import Instruction

BEGIN: Final = (
    "<!-- memento:instructions:begin (from `memento instructions export`, which replaces all up to the end) -->"
)
END: Final = "<!-- memento:instructions:end -->"
_HEADING: Final = "## Standing instructions\n\nWhat the user said about how to work, in their own words:\n"
_QUOTED: Final = 1_500
"""Most characters of one quoted instruction, encoded."""
_MOST_BYTES: Final = 16 * 1024 * 1024
_BEGIN: Final = re.compile(
    rb"(?:^|(?<=\A\xef\xbb\xbf))<!-- memento:instructions:begin\b[^\n]*-->[ \t]*\r?$", re.MULTILINE
)
_END: Final = re.compile(rb"^<!-- memento:instructions:end -->[ \t]*\r?(?:\n|\Z)", re.MULTILINE)


def instructions_block(instructions: Sequence[Instruction]) -> str:
    """Return the block, which ends with a newline. Each instruction is a JSON string on one line, without markup."""
    lines = [f"- {quoted(one.text, _QUOTED)}" for one in instructions]
    return "\n".join([BEGIN, _HEADING, *lines, END]) + "\n"


def write_block(path: Path, instructions: Sequence[Instruction]) -> bool:
    """Replace the block in a file, or append it; return False if nothing changed.

    Without instructions the block is removed. The file is replaced in one step, keeping its mode and line ends; a link
    stays a link. A new file has the mode that the umask gives. Raises UsageError for unpaired markers and an unsuitable
    file, StoreError if it cannot be written.
    """
    target = resolved(path)
    try:
        before = _read(target)
        after = _replaced(before or b"", instructions, path)
        if after == (before or b""):
            return False
        status = target.stat() if before is not None else None
        if status and not status.st_mode & 0o222:
            raise UsageError(f"{path} is read-only: make it writable, or put in what goes to standard output")
        if _read(target) != before:
            raise StoreError(f"{path} was changed by another program just now: try again")
        durable.replace(target, after, status.st_mode & 0o7777 if status else _mode_of_new_files())
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from None
    return True


def resolved(path: Path) -> Path:
    """Return the target of a link. Raises UsageError for a loop of links."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # up to Python 3.12 the latter
        raise UsageError(f"{path} cannot be followed: is it a link that leads to itself?") from None


def _mode_of_new_files() -> int:
    mask = os.umask(0o077)  # it can only be read by setting it
    os.umask(mask)
    return 0o666 & ~mask


def _read(path: Path) -> bytes | None:
    if not path.exists():
        return None
    if not path.is_file():
        raise UsageError(f"{path} is no file: name one, such as AGENTS.md")
    if path.stat().st_size > _MOST_BYTES:
        raise UsageError(f"{path} is larger than {_MOST_BYTES >> 20} MiB: name a file of instructions")
    return path.read_bytes()


def _replaced(content: bytes, instructions: Sequence[Instruction], path: Path) -> bytes:
    if b"\0" in content:
        raise UsageError(f"{path} is no text in UTF-8: name one, or convert it first")
    begins, ends = list(_BEGIN.finditer(content)), list(_END.finditer(content))
    if (len(begins), len(ends)) not in ((0, 0), (1, 1)) or (begins and begins[0].start() > ends[0].start()):
        raise UsageError(f"{path} has memento:instructions markers that are no pair: take them out, then try again")
    newline = b"\r\n" if b"\r\n" in content else b"\n"
    written = (
        instructions_block(instructions).encode("utf-8", "replace").replace(b"\n", newline) if instructions else b""
    )
    if begins:
        return content[: begins[0].start()] + written + content[ends[0].end() :]
    if not written:
        return content
    ended = content if content.endswith(b"\n") or not content else content + newline
    return ended + (newline if content.strip() else b"") + written
