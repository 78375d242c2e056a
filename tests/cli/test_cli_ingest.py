"""`memento ingest`: what it reads, what it prints, how it ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
SESSION = SAMPLES / "claude-code"


def line(text: str, role: str = "user") -> bytes:
    return json.dumps({"role": role, "content": text}).encode() + b"\n"


GOOD = line("We decided to keep every transcript on the local disk.")


def test_samples_twice(memento: Cli) -> None:
    first = memento("ingest", SAMPLES, "--no-embed").json
    assert first["stored"] == first["kept"] == len(memento.rows()) > 20
    assert first["bytes_read"] == first["bytes_stored"] + first["bytes_skipped"] + first["bytes_quarantined"]
    assert first["seen"] >= first["kept"]
    assert first["problems"] == []
    again = memento("ingest", SAMPLES, "--no-embed").json
    assert (again["sources"], again["unchanged"], again["stored"], again["bytes_read"]) == (0, first["sources"], 0, 0)
    assert all(offset == accounted for offset, accounted in memento.accounts())


def test_files_folders_and_globs_are_the_same(memento: Cli) -> None:
    memento("ingest", SAMPLES / "notes" / "pairing.md", SESSION, f"{SAMPLES}/ch*/*.json", "--no-embed")
    assert memento("ingest", SAMPLES, "--no-embed").json["unchanged"] >= 4


def test_table(memento: Cli) -> None:
    shown = memento("ingest", SAMPLES, "--no-embed", "--table").out
    assert {text.split("  ")[0] for text in shown.splitlines() if text[:1].strip()} >= {
        "sources", "messages", "stored", "skipped", "bytes"
    }  # fmt: skip
    again = memento("ingest", SAMPLES, "--no-embed", "--table").out
    assert "unchanged" in again
    assert "MB" not in again


def test_verbose_says_what_is_kept_and_what_is_no_transcript(memento: Cli, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(GOOD)
    (tmp_path / "notes.md").write_text("no transcript\n")
    ran = memento("ingest", tmp_path, "--no-embed", "-v", "--table")
    assert "kept 0." in ran.err
    assert "We decided to keep every transcript" in ran.err
    assert f"{tmp_path}/notes.md: no transcript format recognises it" in ran.err


def test_a_progress_bar_and_a_table_on_a_terminal(memento: Cli) -> None:
    code, shown = memento.on_terminal("ingest", SAMPLES, "--no-embed")
    assert code == 0
    assert "messages" in shown
    assert '"seen"' not in shown


def test_dry_run_writes_nothing(memento: Cli, tmp_path: Path) -> None:
    report = memento("ingest", SAMPLES, "--dry-run").json
    assert report["stored"] == report["kept"] > 20
    assert "would store" in memento("ingest", SAMPLES, "--dry-run", "--table").out
    assert list(tmp_path.iterdir()) == []


def test_since_reads_the_rest_later(memento: Cli) -> None:
    early = memento("ingest", SAMPLES, "--no-embed", "--since", "2026-10-01").json
    assert early["skipped"]["before_since"] > 0
    later = memento("ingest", SAMPLES, "--no-embed").json
    assert later["stored"] + early["stored"] == len(memento.rows())
    assert later["unchanged"] == 0


def test_format_is_named_or_refused(memento: Cli, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("User: We decided to write everything down.\n")
    assert (
        "no transcript format recognises it: name one with --format" in memento("ingest", path, "--table", code=3).err
    )
    assert memento("ingest", path, "--format", "markdown", "--no-embed").json["stored"] == 1
    assert "did you mean markdown?" in memento("ingest", path, "--format", "markdwn", code=2).err


def test_a_wrong_format_makes_no_store(memento: Cli, tmp_path: Path) -> None:
    memento("ingest", SAMPLES, "--format", "nothing", code=2)
    memento("ingest", SAMPLES, "--since", "yesterday-ish", code=2)
    assert list(tmp_path.iterdir()) == []


def test_standard_input(memento: Cli) -> None:
    assert memento("ingest", "-", "--no-embed", stdin=GOOD).json["stored"] == 1
    assert memento("ingest", "-", "--no-embed", stdin=GOOD).json["stored"] == 0
    document = (SAMPLES / "chatgpt" / "conversations.json").read_bytes()
    report = memento("ingest", "-", "--no-embed", stdin=document).json
    assert report["stored"] > 0
    assert report["bytes_read"] == len(document)
    big = b"".join(line(f"We decided that server {number} is called heron-{number}.") for number in range(3_000))
    assert memento("ingest", "-", "--no-embed", stdin=big).json["bytes_read"] == len(big) > 64 * 1024


def test_standard_input_that_is_nothing(memento: Cli) -> None:
    assert "<stdin>: empty" in memento("ingest", "-", "--table", code=3).err
    assert "<stdin>: no transcript format" in memento("ingest", "-", "--table", stdin=b"\0\1\2", code=3).err
    closed = subprocess.run(
        ["sh", "-c", 'exec "$0" ingest - --table <&-', *memento.command()[:1]],
        env=memento.environment, capture_output=True, check=False,
    )  # fmt: skip
    assert (closed.returncode, b"Traceback" in closed.stderr) == (2, False)


def test_a_slow_pipe(memento: Cli) -> None:
    process = memento.start("ingest", "-", "--no-embed", stdin=subprocess.PIPE)
    assert process.stdin
    for piece in (GOOD[:20], GOOD[20:], line("I prefer pipes that are slow but complete.")):
        process.stdin.write(piece)
        process.stdin.flush()
        time.sleep(0.1)
    out, _ = process.communicate(timeout=30)
    assert json.loads(out)["stored"] == 2


def test_an_empty_folder_says_so(memento: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran = memento("ingest", tmp_path / "empty", "--table", code=3)
    assert ran.err == f"memento: there is no transcript in {tmp_path}/empty\n"
    assert ran.out == ""


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("no-such-file", 2),
        ("*.nothing", 2),
        ("~nosuchuser/x", 2),
        ("a" * 300, 2),
        ("/dev/null", 2),
        ("empty.jsonl", 3),
    ],
)
def test_what_cannot_be_read_is_one_line(name: str, code: int, memento: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "good.jsonl").write_bytes(GOOD)
    alone = memento("ingest", name, "--table", code=code, cwd=tmp_path)
    assert len(alone.err.splitlines()) == 1
    beside = memento("ingest", name, "good.jsonl", "--no-embed", code=1, cwd=tmp_path).json
    assert (beside["stored"], len(beside["problems"])) == (1, 1)


def test_pipes_sockets_and_links_in_a_folder_are_left_alone(
    memento: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.jsonl").write_bytes(GOOD)
    outside = tmp_path / "outside.jsonl"
    outside.write_bytes(line("We decided that nothing outside the folder is read."))
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "link.jsonl").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "dangling.jsonl").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(folder)  # the path of a socket has 108 bytes at most
        server.bind("socket.jsonl")
    report = memento("ingest", folder, "--no-embed").json
    assert (report["sources"], report["stored"], report["ignored"], report["problems"]) == (1, 1, 4, [])
    assert "not a regular file" in memento("ingest", folder / "pipe.jsonl", "--table", code=2).err


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody whom permissions bind")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    """As nobody: in a folder of nobody's own, with another one that is root's."""
    from memento_ingest.discovery import discover

    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "closed" / "x.jsonl").write_bytes(GOOD)
    (tmp_path / "good.jsonl").write_bytes(GOOD)
    (tmp_path / "secret.jsonl").write_bytes(GOOD)
    (tmp_path / "secret.jsonl").chmod(0o600)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        inside = discover([str(tmp_path)])
        named = discover([f"{tmp_path}/closed/x.jsonl", f"{tmp_path}/closed/*.jsonl"])
        with pytest.raises(PermissionError):
            (tmp_path / "secret.jsonl").open()
    finally:
        os.seteuid(0)
    assert [file.path.name for file in inside.files] == ["good.jsonl", "secret.jsonl"]
    assert inside.problems == [(f"{tmp_path}/closed", "Permission denied")]
    assert named.problems == [
        (f"{tmp_path}/closed/x.jsonl", "Permission denied"),
        (f"{tmp_path}/closed/*.jsonl", "no file matches"),
    ]


def test_quarantine_names_file_and_offset(memento: Cli, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(GOOD + b'{"role": "user", \x1b[31m\n' + b"\0" * 10 + b"\n" + GOOD * 7)
    ran = memento("ingest", path, "--no-embed", "--table")
    assert "broken_json 1, nul_bytes 1" in ran.out
    assert "`memento quarantine` lists" in ran.err
    entries = memento("quarantine").json
    assert [(entry["path"], entry["offset"], entry["length"], entry["reason"]) for entry in entries] == [
        (str(path), len(GOOD) + 23, 11, "nul_bytes"),
        (str(path), len(GOOD), 23, "broken_json"),
    ]
    shown = memento("quarantine", "--table").out
    assert f"23 bytes at offset {len(GOOD)} of {path}" in shown


def test_stored_text_does_not_steer_the_terminal(memento: Cli, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(line("We decided \x1b]0;owned\x07 to use \x9b31m colours, and \u202e marks."))
    place = f"{tmp_path}/log.jsonl:1"
    for command in (["ingest", tmp_path, "--no-embed", "-v"], ["recent"], ["recall", "colours"], ["why", place]):
        shown = memento.on_terminal(*command)[1]
        assert "owned" in shown
        assert "\x1b]0;" not in shown
        assert not {"\x07", "\x9b", "\u202e"} & set(shown)


def test_delete_is_not_undone_by_reading_again(memento: Cli, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(GOOD)
    memento("ingest", path, "--no-embed")
    (memory,) = memento.rows()
    assert memento("delete", memory[0]).out == f"forgot {memory[0]}\n"
    copy = path.with_name("copy.jsonl")
    copy.write_bytes(GOOD)
    assert "forgotten before 1" in memento("ingest", copy, "--no-embed", "--table").out
    assert memento.rows() == []


def test_a_folder_of_files_that_no_format_recognises_says_so(memento: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"foo": 1}\n{"bar": 2}\n')
    ran = memento("ingest", folder, "--table", code=3)
    assert f"no transcript format recognises the 1 file in {folder}: name one with --format" in ran.err
