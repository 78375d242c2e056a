"""`memento setup --undo`: every file as it was, and nothing of the user's overwritten."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.setup.conftest import Agents


def exactness(found: dict[str, list[dict[str, object]]]) -> dict[str, object]:
    return {Path(str(one["path"])).name: one["exact"] for one in found["files"]}


def test_every_file_is_put_back_with_its_mode_and_memories_stay(agents: Agents) -> None:
    before = agents.picture()
    agents.run("setup", "--yes")
    assert agents.picture() != before
    memories = agents.memories()
    found = agents.json("setup", "--undo")
    assert set(exactness(found).values()) == {True}
    assert agents.picture() == before
    assert stat.S_IMODE(agents.settings.stat().st_mode) == 0o640
    assert agents.memories() == memories
    assert not (agents.memento / "setup.json").exists()


def test_undoing_twice_and_undoing_nothing_are_fine(agents: Agents) -> None:
    assert agents.json("setup", "--undo")["files"] == []
    agents.run("setup", "--yes")
    agents.run("setup", "--undo")
    assert agents.json("setup", "--undo")["files"] == []


def test_a_dry_run_of_undo_names_the_files_and_leaves_them(agents: Agents) -> None:
    agents.run("setup", "--yes", "--only", "claude")
    before = agents.picture()
    found = agents.json("setup", "--undo", "--dry-run")
    assert str(agents.settings) in {one["path"] for one in found["files"]}
    assert agents.picture() == before


def test_what_the_user_changed_since_stays_and_is_said(agents: Agents) -> None:
    agents.run("setup", "--yes")
    settings = json.loads(agents.settings.read_text())
    settings["model"] = "haiku"
    agents.settings.write_text(json.dumps(settings, indent=4))
    found = agents.json("setup", "--undo", code=4)
    assert exactness(found)["settings.json"] is False
    assert exactness(found)["hooks.json"] is True
    (said,) = (one["text"] for one in found["files"] if one["path"] == str(agents.settings))
    assert "changed since" in said
    left = json.loads(agents.settings.read_text())
    assert left["model"] == "haiku"
    assert "memento" not in agents.settings.read_text()
    assert left["env"] == {"A": "é"}


def test_what_the_user_broke_since_is_not_touched_and_can_be_undone_later(agents: Agents) -> None:
    agents.run("setup", "--yes", "--only", "claude")
    good = agents.settings.read_bytes()
    agents.settings.write_bytes(good + b"// a note")
    found = agents.json("setup", "--undo", code=4)
    assert "not plain JSON" in next(one["text"] for one in found["files"] if one["path"] == str(agents.settings))
    assert agents.settings.read_bytes() == good + b"// a note"
    agents.settings.write_bytes(good)
    before = agents.picture()
    assert set(exactness(agents.json("setup", "--undo")).values()) == {True}
    assert agents.picture() != before


def test_a_change_between_two_setups_is_not_lost(agents: Agents) -> None:
    """The second setup meets a file that is neither what was there first nor what the first one left."""
    agents.run("setup", "--yes", "--only", "claude")
    settings = json.loads(agents.settings.read_text())
    del settings["hooks"]["UserPromptSubmit"]
    settings["mine"] = True
    agents.settings.write_text(json.dumps(settings, indent=4))
    agents.run("setup", "--yes", "--only", "claude")
    agents.run("setup", "--undo", code=4)
    left = json.loads(agents.settings.read_text())
    assert left["mine"] is True
    assert "memento" not in agents.settings.read_text()


def test_hooks_that_were_there_before_setup_stay(agents: Agents) -> None:
    agents.run("hooks", "install", "claude")
    before = agents.settings.read_bytes()
    agents.run("setup", "--yes")
    agents.run("setup", "--undo")
    assert agents.settings.read_bytes() == before


def test_a_file_behind_a_link_is_put_back_behind_it(agents: Agents) -> None:
    real = agents.home / "dotfiles" / "claude.json"
    real.parent.mkdir()
    agents.settings.rename(real)
    agents.settings.symlink_to(real)
    before = agents.picture()
    agents.run("setup", "--yes")
    agents.run("setup", "--undo")
    assert agents.settings.is_symlink()
    assert agents.picture() == before


def test_a_unit_of_the_users_own_comes_back(agents: Agents) -> None:
    agents.has_session()
    own = b"[Service]\nExecStart=%h/.local/bin/memento watch\n"
    agents.write(".config/systemd/user/memento.service", own)
    agents.run("setup", "--yes")
    unit = agents.home / ".config/systemd/user/memento.service"
    assert unit.read_bytes() != own
    agents.run("setup", "--undo")
    assert unit.read_bytes() == own


def test_the_record_is_private_and_a_broken_one_is_said(agents: Agents) -> None:
    agents.run("setup", "--yes")
    record = agents.memento / "setup.json"
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    record.write_bytes(record.read_bytes()[:50])
    said = agents.run("setup", "--undo", code=1).stderr.decode()
    assert "setup.json" in said
    assert "memento hooks uninstall" in said
