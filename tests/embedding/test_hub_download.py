"""The download from the hub: resumed, restarted, verified, refused."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memento.embedding import ModelError
from memento.embedding.hub import REPOSITORY, download, repository_url
from memento.embedding.model_files import Pinned

if TYPE_CHECKING:
    from tests.embedding.conftest import FakeHub

CONTENT = random.Random(7).randbytes(1_000_000)
PINNED = Pinned(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


class Download:
    """One file on the hub, and where it goes."""

    def __init__(self, hub: FakeHub, folder: Path) -> None:
        hub.files["weights"] = CONTENT
        self.hub = hub
        self.target = folder / "weights"
        self.part = folder / "weights.part"
        self.progress: list[tuple[int, int, str]] = []

    def run(self) -> None:
        url = f"{repository_url()}/resolve/main/weights"
        download(url, self.target, PINNED, lambda *step: self.progress.append(step))

    def ranges(self) -> list[str]:
        return [requested for _, requested in self.hub.requests]


@pytest.fixture
def case(hub: FakeHub, tmp_path: Path) -> Download:
    return Download(hub, tmp_path)


def test_whole_download_reports_progress_and_leaves_no_part(case: Download) -> None:
    case.run()
    assert case.target.read_bytes() == CONTENT
    assert not case.part.exists()
    assert case.progress[-1] == (len(CONTENT), len(CONTENT), "downloading weights")
    assert [done for done, _, _ in case.progress] == sorted(done for done, _, _ in case.progress)


def test_broken_connections_are_resumed_where_they_broke(case: Download) -> None:
    case.hub.close_after = [300_000, 1, 400_000]
    case.run()
    assert case.target.read_bytes() == CONTENT
    assert case.ranges() == ["", "bytes=300000-", "bytes=300001-", "bytes=700001-"]


def test_a_later_run_goes_on_with_the_part(case: Download) -> None:
    case.part.write_bytes(CONTENT[:123_456])
    case.run()
    assert case.target.read_bytes() == CONTENT
    assert case.ranges() == ["bytes=123456-"]


def test_a_server_without_ranges_starts_over(case: Download) -> None:
    case.hub.honours_range = False
    case.part.write_bytes(CONTENT[:500_000])
    case.run()
    assert case.target.read_bytes() == CONTENT


def test_a_spoilt_part_is_thrown_away_and_fetched_again(case: Download) -> None:
    case.part.write_bytes(b"x" * 500_000)
    case.run()
    assert case.target.read_bytes() == CONTENT
    assert case.ranges() == ["bytes=500000-", ""]


@pytest.mark.parametrize("size", [len(CONTENT), len(CONTENT) + 5])
def test_a_spoilt_part_of_full_size_is_fetched_again(case: Download, size: int) -> None:
    case.part.write_bytes(b"x" * size)
    case.run()
    assert case.target.read_bytes() == CONTENT


def test_a_whole_part_needs_no_network(case: Download) -> None:
    case.part.write_bytes(CONTENT)
    case.run()
    assert case.ranges() == []


def test_a_file_with_another_hash_is_refused(case: Download) -> None:
    case.hub.files["weights"] = b"?" + CONTENT[1:]
    with pytest.raises(ModelError, match="not the published file"):
        case.run()
    assert not case.target.exists()
    assert not case.part.exists()


def test_a_longer_file_is_read_no_further_than_the_published_size(case: Download) -> None:
    case.hub.files["weights"] = CONTENT + b"more"
    case.run()
    assert case.target.read_bytes() == CONTENT


def test_a_server_that_gives_nothing_ends_the_download(case: Download) -> None:
    case.hub.close_after = [100, 0]
    with pytest.raises(ModelError, match="closed after 100 of 1000000 bytes"):
        case.run()
    assert case.part.read_bytes() == CONTENT[:100]


def test_a_missing_file_is_named(case: Download) -> None:
    del case.hub.files["weights"]
    with pytest.raises(ModelError, match=r"resolve/main/weights answered 404"):
        case.run()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [("HF_HUB_OFFLINE", "1", "forbids"), ("HF_ENDPOINT", "file:///etc", "must begin with https")],
)
def test_the_environment_can_forbid_the_hub(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ModelError, match=message):
        repository_url()


def test_the_endpoint_replaces_only_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example/hub/")
    assert repository_url() == "http://mirror.example/hub/sentence-transformers/all-MiniLM-L6-v2"
    monkeypatch.delenv("HF_ENDPOINT")
    assert repository_url() == REPOSITORY
