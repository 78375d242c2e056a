"""`jobs` and `jobs run` as a user runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_jobs_run_and_are_listed(memento: Cli) -> None:
    memento("remember", "The pier is closed on Mondays.")
    ran = memento("jobs", "run", "hourly-backup", "full-health")
    assert "hourly-backup: memory-" in ran.err
    assert "full-health: sound" in ran.err
    listed = memento("jobs", "--json").json
    assert listed["scheduled"] is False
    last = {job["name"]: job["last"] for job in listed["jobs"]}
    assert last["hourly-backup"]
    assert last["checkpoint"] is None
    shown = memento("jobs", "--table")
    assert "never" in shown.out
    assert "memento watch" in shown.err
    assert len(memento("backup", "list").json) == 1


def test_a_failed_job_is_told(memento: Cli) -> None:
    memento("remember", "The pier is closed on Mondays.")
    (memento.home / "backups").write_text("a file in the way")
    assert "cannot write a backup" in memento("jobs", "run", "daily-backup", code=1).err
    assert "failed: cannot write a backup" in memento("jobs", "--table").out
    assert "there is no job nope" in memento("jobs", "run", "nope", code=2).err
