"""What happens to files between two runs: truncated, replaced, copied, renamed, deleted, read as something else."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from memento.storage.capture import Batch
from memento_ingest.batch_ingest import Ingestion, Options
from memento_ingest.formats.registry import UnknownFormat
from memento_ingest.report import Report

if TYPE_CHECKING:
    from tests.ingest.conftest import Ingest, Stores, Transcript


@pytest.fixture
def session(tmp_path: Path, conversation: list[bytes]) -> Path:
    path = tmp_path / "session.jsonl"
    path.write_bytes(b"".join(conversation))
    return path


def test_a_second_run_stores_nothing(ingest: Ingest, session: Path) -> None:
    first = ingest.whole(session)
    before = ingest.rows()
    second = ingest.run(session)
    assert first.stored == len(before) > 3
    assert (second.sources, second.unchanged, second.stored, second.bytes_read) == (0, 1, 0, 0)
    assert ingest.rows() == before


def test_a_touched_file_is_read_again_from_where_it_ended(ingest: Ingest, session: Path) -> None:
    ingest.run(session)
    os.utime(session)
    again = ingest.run(session)
    assert (again.sources, again.stored, again.extended) == (1, 0, 0)


def test_truncation_keeps_what_was_stored(ingest: Ingest, session: Path, conversation: list[bytes]) -> None:
    ingest.run(session)
    before = ingest.rows()
    session.write_bytes(b"".join(conversation[:3]))
    assert ingest.run(session).stored == 0
    session.write_bytes(b"".join(conversation))
    assert ingest.run(session).stored == 0
    assert ingest.rows() == before


def test_truncation_to_nothing_and_a_new_beginning(ingest: Ingest, session: Path, transcript: Transcript) -> None:
    ingest.run(session)
    kept = len(ingest.rows())
    session.write_bytes(b"")
    assert ingest.run(session).problems == [(str(session), "empty")]
    session.write_bytes(transcript.user("We decided to start over with an empty import table."))
    assert ingest.run(session).stored == 1
    assert len(ingest.rows()) == kept + 1


def test_atomic_replace_by_other_content(ingest: Ingest, session: Path, transcript: Transcript) -> None:
    ingest.run(session)
    kept = len(ingest.rows())
    new = session.with_suffix(".new")
    new.write_bytes(b"broken\n" + transcript.user("We decided to prune old turns by rewriting the file in place."))
    new.replace(session)
    assert ingest.run(session).stored == 1
    assert len(ingest.rows()) == kept + 1
    assert [entry.offset for entry in ingest.quarantine()] == [0]
    assert len(ingest.accounts()) == 1


def test_a_rewrite_of_the_same_size(ingest: Ingest, tmp_path: Path, transcript: Transcript) -> None:
    path = tmp_path / "session.jsonl"
    lines = transcript.user("We decided to call the server heron."), transcript.user("I prefer short server names.")
    path.write_bytes(b"".join(lines))
    ingest.run(path)
    path.write_bytes(b"".join(reversed(lines)).replace(b"heron", b"stork").replace(b'-1"', b'-9"'))
    assert ingest.run(path).stored == 1
    assert any("stork" in text for text in ingest.texts())


def test_a_copy_under_another_name_adds_nothing(ingest: Ingest, session: Path) -> None:
    ingest.run(session)
    before = ingest.rows()
    copy = session.with_name("a-copy.jsonl")
    shutil.copyfile(session, copy)
    report = ingest.run(copy)
    assert (report.sources, report.stored, report.duplicates) == (1, 0, report.kept)
    assert ingest.rows() == before
    assert len(ingest.accounts()) == 2


def test_a_fork_adds_only_its_own_turns(ingest: Ingest, session: Path, transcript: Transcript) -> None:
    ingest.run(session)
    kept = len(ingest.rows())
    fork = session.with_name("fork.jsonl")
    own = transcript.user("On this branch I decided to try the bulk loader of the database.", sessionId="fork")
    fork.write_bytes(
        session.read_bytes().replace(transcript.session.encode() + b'", "timestamp', b'fork", "timestamp') + own
    )
    assert ingest.run(fork).stored == 1
    assert len(ingest.rows()) == kept + 1


def test_a_rename_goes_on_where_the_file_ended(ingest: Ingest, session: Path, transcript: Transcript) -> None:
    ingest.run(session)
    renamed = session.rename(session.with_name("renamed.jsonl"))
    with renamed.open("ab") as file:
        new = file.write(transcript.user("We decided to keep renamed transcripts under their new name."))
    report = ingest.run(renamed)
    assert report.stored == 1
    assert report.bytes_read < renamed.stat().st_size
    assert [path for path, _, _ in ingest.accounts()] == [str(renamed)]
    assert ingest.accounts()[0][1] + new > renamed.stat().st_size - 1000


def test_an_inode_used_again_is_another_file(ingest: Ingest, tmp_path: Path, transcript: Transcript) -> None:
    """The account of a deleted file stays its own, whoever gets its inode."""
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    first.write_bytes(b"broken\n" + transcript.user("We decided that the first file is deleted soon."))
    ingest.run(first)
    first.rename(second)  # the same inode without a way to be unlucky
    second.write_bytes(transcript.user("We decided that the second file has nothing of the first one."))
    assert ingest.run(second).stored == 1
    assert [path for path, _, _ in ingest.accounts()] == [str(first), str(second)]
    assert [entry.path for entry in ingest.quarantine()] == [str(first)]


def test_rotation(ingest: Ingest, session: Path, transcript: Transcript) -> None:
    ingest.run(session)
    kept = len(ingest.rows())
    session.rename(session.with_name("session.1.jsonl"))
    session.write_bytes(transcript.user("We decided to rotate transcripts by name every night."))
    assert ingest.run(session, session.with_name("session.1.jsonl")).stored == 1
    assert len(ingest.rows()) == kept + 1
    assert len(ingest.accounts()) == 2


def test_deletion_forgets_nothing_and_a_new_file_is_read(
    ingest: Ingest, session: Path, conversation: list[bytes]
) -> None:
    ingest.run(session)
    before = ingest.rows()
    session.unlink()
    assert ingest.run(session).problems == [(str(session), "No such file or directory")]
    assert ingest.rows() == before
    session.write_bytes(b"".join(conversation))
    assert ingest.run(session).stored == 0
    assert ingest.rows() == before


def test_one_format_per_file(ingest: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "notes.diary"  # no format recognises the name
    path.write_text("User: We decided to write notes by hand.\nAssistant: I prefer notes that name their date.\n")
    assert ingest.run(path, format_="markdown").stored == 2
    os.utime(path)
    assert ingest.run(path).stored == 0
    with path.open("a") as file:
        file.write("User: We decided to use plain text everywhere.\n")
    assert ingest.run(path).stored == 1
    assert [row[3] for row in ingest.rows()] == ["markdown"] * 3


def test_another_format_reads_an_unchanged_file_again(ingest: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"role": "user", "content": "We decided to log one message a line."}\n' * 2)
    assert ingest.run(path, format_="markdown").stored == 0
    report = ingest.run(path, format_="generic-jsonl")
    assert (report.unchanged, report.stored) == (0, 2)
    assert ingest.run(path).unchanged == 1


def test_an_unknown_format_names_the_nearest() -> None:
    with pytest.raises(UnknownFormat, match="did you mean markdown"):
        Options("markdwon")


def test_since_leaves_the_rest_for_later(ingest: Ingest, session: Path, stores: Stores) -> None:
    ten_minutes_past = 1_788_221_400_000  # of the transcript's midnight
    early = ingest.run(session, since=ten_minutes_past)
    assert early.skipped["before_since"] > 0
    assert 0 < early.stored < early.seen
    assert ingest.accounts() == []
    later = ingest.run(session)
    assert later.duplicates == early.stored
    assert ingest.rows() == stores.rows_of_one_run([session])


def test_without_a_store_nothing_is_written(policy: Any, session: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in session.parent.iterdir()}
    report = Ingestion(policy, Options(), None).run([str(session)])
    assert report.stored == report.kept > 3
    assert {path: path.stat().st_mtime_ns for path in session.parent.iterdir()} == before


def test_forgotten_memories_stay_out(ingest: Ingest, session: Path) -> None:
    ingest.run(session)
    forgotten = str(ingest.rows()[0][0])
    assert ingest.store.delete(forgotten)
    shutil.copyfile(session, session.with_name("copy.jsonl"))
    os.utime(session)
    assert ingest.run(session.parent).forgotten >= 1
    assert forgotten not in [row[0] for row in ingest.rows()]


def test_a_chat_export_in_an_archive_is_the_export(ingest: Ingest, tmp_path: Path) -> None:
    samples = Path(__file__).parents[2] / "samples"
    ingest.run(samples / "chatgpt")
    before = ingest.rows()
    with zipfile.ZipFile(tmp_path / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(samples / "chatgpt" / "conversations.json", "conversations.json")
    report = ingest.run(tmp_path / "export.zip")
    assert (report.sources, report.stored, report.duplicates) == (1, 0, len(before))
    assert ingest.rows() == before


def test_a_branch_abandoned_inside_an_archive(stores: Stores, tmp_path: Path, transcript: Transcript) -> None:
    """Marks on earlier messages find them under the format that read them, archive or not."""
    first = transcript.user("We decided to deploy on Thursdays, after the release notes are out.", parentUuid="root")
    second = transcript.user("We decided to deploy on Tuesdays, before the release notes.", parentUuid="root")
    root = transcript.user("When can we deploy the harbor service? I prefer mornings.", uuid="root")
    path = tmp_path / "session.jsonl"
    path.write_bytes(root + first + second)
    with zipfile.ZipFile(tmp_path / "sessions.zip", "w") as archive:
        archive.write(path, path.name)
    plain, zipped = stores.new(), stores.new()
    plain.run(path)
    zipped.run(tmp_path / "sessions.zip")
    assert sorted(row[13] for row in plain.rows()) == [0, 1, 1]
    assert zipped.rows() == plain.rows()


def test_folders_globs_and_names(ingest: Ingest, tmp_path: Path, session: Path, transcript: Transcript) -> None:
    deep = tmp_path / "a" / "b [1]"
    deep.mkdir(parents=True)
    (deep / "x.jsonl").write_bytes(transcript.user("We decided to nest folders as deep as projects are."))
    (deep / "picture.png").write_bytes(b"\x89PNG")
    (deep / "notes.md").write_text("no transcript at all\n")
    (deep / "empty.jsonl").write_bytes(b"")
    report = ingest.run(tmp_path, session, str(tmp_path / "**" / "*.jsonl"))
    assert (report.sources, report.ignored, report.problems) == (2, 1, [])
    assert sorted(report.unrecognised) == [str(deep / "empty.jsonl"), str(deep / "notes.md")]
    assert ingest.run(str(deep / "x.jsonl")).unchanged == 1
    assert ingest.run(str(tmp_path / "*.nothing")).problems == [(str(tmp_path / "*.nothing"), "no file matches")]


def test_a_file_whose_name_is_a_pattern(ingest: Ingest, tmp_path: Path, transcript: Transcript) -> None:
    path = tmp_path / "session[1].jsonl"
    path.write_bytes(transcript.user("We decided to allow brackets in the names of transcripts."))
    assert ingest.run(path).stored == 1


def test_a_file_name_that_is_no_text(ingest: Ingest, tmp_path: Path, transcript: Transcript) -> None:
    path = os.fsencode(tmp_path) + b"/sess\xffion.jsonl"
    Path(os.fsdecode(path)).write_bytes(
        b"broken\n" + transcript.user("We decided that file names are bytes, not text.")
    )
    assert ingest.run(tmp_path).stored == 1
    assert [path for path, _, _ in ingest.accounts()] == [f"{tmp_path}/sess\\xffion.jsonl"]
    assert ingest.run(tmp_path).unchanged == 1


class Source:
    """Actions on one transcript and its copies, for any order of them."""

    def __init__(self, folder: Path, lines: list[bytes]) -> None:
        self.folder, self.lines, self.written = folder, lines, 0
        self.names = [folder / "0.jsonl"]
        self.names[0].write_bytes(b"")

    def act(self, action: str) -> None:
        path = self.names[-1]
        if action == "append":
            with path.open("ab") as file:
                file.write(b"".join(self.lines[self.written : self.written + 3]))
            self.written = min(self.written + 3, len(self.lines))
        elif action == "half":
            data = b"".join(self.lines[: self.written])
            path.write_bytes(data[: len(data) // 2])
            path.write_bytes(data) if len(data) % 2 else None
        elif action == "truncate":
            path.write_bytes(b"".join(self.lines[: self.written // 2]))
        elif action == "replace":
            other = path.with_name("other")
            other.write_bytes(b"".join(self.lines[: self.written]))
            other.replace(path)
        else:
            self.names.append(self.folder / f"{len(self.names)}.jsonl")
            if action == "rename":
                path.rename(self.names[-1])
            else:
                shutil.copyfile(path, self.names[-1])


ACTIONS = st.lists(
    st.sampled_from(["append", "append", "half", "truncate", "replace", "rename", "copy"]), min_size=1, max_size=8
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
def test_any_order_of_changes(
    actions: list[str], stores: Stores, conversation: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("changes")
    source, ingest = Source(folder, conversation), stores.new()
    for action in actions:
        source.act(action)
        ingest.run(folder)
    source.names[-1].write_bytes(b"".join(conversation))
    ingest.run(folder)
    assert ingest.rows() == stores.rows_of_one_run([source.names[-1]])


def test_a_renamed_file_and_a_copy_under_its_old_name_are_two(ingest: Ingest, session: Path) -> None:
    ingest.run(session.parent)
    before = ingest.rows()
    [(_, offset, _)] = ingest.accounts()
    renamed = session.rename(session.with_name("a.jsonl"))
    shutil.copy(renamed, session)
    assert ingest.run(session.parent).problems == []
    assert {(path, read) for path, read, _ in ingest.accounts()} == {(str(renamed), offset), (str(session), offset)}
    assert ingest.rows() == before


def test_much_is_added_to_a_renamed_file(ingest: Ingest, session: Path, transcript: Transcript) -> None:
    ingest.run(session)
    renamed = session.rename(session.with_name("a.jsonl"))
    with renamed.open("ab") as file:
        file.writelines(transcript.user(f"We decided that rule {number} holds.") for number in range(2_500))
    assert ingest.run(renamed).stored == 2_500
    assert [path for path, _, _ in ingest.accounts()] == [str(renamed)]


def test_two_readers_of_one_growing_file_account_for_it_once(
    ingest: Ingest, session: Path, transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.run(session)
    more = [transcript.user(f"We decided that rule {number} holds.") for number in range(3)]
    with session.open("ab") as file:
        file.writelines(more[:2])
    commit = ingest.store.commit
    others: list[Report] = []

    def after_another(*batches: Batch) -> Any:
        """Let another process read the file, which has grown since, before this one commits."""
        if not others:
            with session.open("ab") as file:
                file.write(more[2])
            monkeypatch.setattr(ingest.store, "commit", commit)
            others.append(ingest.run(session))
            monkeypatch.setattr(ingest.store, "commit", after_another)
        return commit(*batches)

    monkeypatch.setattr(ingest.store, "commit", after_another)
    report = ingest.run(session)
    assert (report.problems, report.stored, others[0].stored) == ([], 0, 3)
    assert [offset for _, offset, _ in ingest.accounts()] == [session.stat().st_size]
