"""Formats of other packages: found by entry point, tried before the generic shapes, unable to stop capture."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PLUGIN = """
from memento_ingest.formats.generic.lines import GenericJsonl

class Theirs(GenericJsonl):
    name = "theirs"
    def sniff(self, head, info):
        return head.startswith(b'{"theirs"')
"""
SCRIPT = """
from memento_ingest.formats.registry import broken_plugins, detect, get, names
from memento_ingest.span import SourceInfo
print(names().index("theirs") < names().index("generic-jsonl"), get("theirs").name)
print(detect(b'{"theirs": 1}\\n', SourceInfo("x.jsonl")).name, sorted(broken_plugins()), get("codex").name)
"""


def test_a_plugin_is_found_and_a_broken_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "their_plugin.py").write_text(PLUGIN)
    described = tmp_path / "their_plugin-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: their-plugin\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(
        "[memento.formats]\ntheirs = their_plugin:Theirs\nbroken = no_such_module:X\ncodex = their_plugin:Theirs\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["True theirs", "theirs ['broken'] codex"]
