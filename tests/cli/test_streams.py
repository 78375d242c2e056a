"""Standard streams as they come: closed, piped to a reader that has gone, in an encoding that is not UTF-8; Ctrl-C."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memento_app.cli.ending import ending

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def shell(cli: Cli, line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `memento` is ours; no traceback may come of it."""
    done = subprocess.run(
        ["bash", "-c", f'memento() {{ "$0" "$@"; }}; {line}', *cli.command()],
        env={**cli.environment, **environment}, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("command", ["recall import", "recent", "stats", "config", "recall import --table", "export"])
def test_a_closed_output(command: str, ingested: Cli) -> None:
    assert shell(ingested, f"memento {command} >&-").returncode == 0


def test_closed_standard_error_says_nothing_elsewhere(ingested: Cli) -> None:
    done = shell(ingested, "memento recall xyzzy-nowhere 2>&-")
    assert (done.returncode, json.loads(done.stdout)["results"]) == (3, [])


def test_a_closed_input_confirms_nothing(ingested: Cli) -> None:
    done = shell(ingested, "memento forget --role user <&-")
    assert done.returncode == 2
    assert "say --yes" in done.stderr


@pytest.mark.parametrize("command", ["recent --table", "recent --json", "stats --table", "export"])
def test_a_reader_that_has_gone_is_no_failure(command: str, ingested: Cli) -> None:
    done = shell(ingested, f"(sleep 0.3; memento {command}; echo code $? >&2) | true")
    assert done.stderr == "code 0\n"


def test_another_encoding_loses_nothing_but_what_it_cannot_show(memento: Cli, tmp_path: Path) -> None:
    text = "We decided on Grüße, 日本 and 🎉 for the café."
    log = tmp_path / "tägebuch.jsonl"
    log.write_text(json.dumps({"role": "user", "content": text}, ensure_ascii=False) + "\n", "utf-8")
    assert shell(memento, f"memento ingest {log} --no-embed -v --table", **ASCII).returncode == 0
    (found,) = json.loads(shell(memento, "memento recall Grüße", **ASCII).stdout)["results"]
    assert found["text"] == text
    assert json.loads(shell(memento, "memento export", **ASCII).stdout)[0]["text"] == text
    assert "We decided on Gr??e" in shell(memento, "memento recall Grüße --table", **ASCII).stdout
    assert shell(memento, "memento status --table", **ASCII).returncode == 0


def test_an_interruption_while_the_command_line_is_imported(memento: Cli) -> None:
    code = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'memento_app.cli.app': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "sys.argv = ['memento', 'stats']\n"
        "from memento_app.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=memento.environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "memento: interrupted\n")


def test_a_file_that_no_error_speaks_of(memento: Cli, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended, ending():
        (tmp_path / "nowhere" / "x").read_text()
    assert ended.value.code == 1
    assert f"{tmp_path}/nowhere/x: No such file or directory" in capsys.readouterr().err
    memento("remember", "The pier is closed.")
    memento("backup")
    Path(f"{memento.database}.heal.lock").unlink(missing_ok=True)
    Path(f"{memento.database}.heal.lock").mkdir()
    assert "heal.lock: Is a directory" in memento("restore", "--latest", code=1).err
