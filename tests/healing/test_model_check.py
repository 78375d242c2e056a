"""What `doctor` says of the embedding model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from memento.config import load_config
from memento.embedding.model_files import MANIFEST
from memento.health import ENVIRONMENT_CHECKS, CheckContext, Finding, run_checks
from memento.store import MemoryStore


def said_of(model: Path, home: Path) -> Finding:
    with MemoryStore(home / "m.db", config=load_config({"embedding.model_dir": str(model)})) as store:
        found = run_checks(CheckContext(store.database, store.config), ENVIRONMENT_CHECKS)
    return next(finding for finding in found if finding.check == "model")


def test_a_model_that_was_built_before_is_to_be_built_anew(model_dir: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(model_dir, model)
    assert said_of(model, tmp_path).level == "ok"
    manifest = json.loads((model / MANIFEST).read_text())
    del manifest["build"]
    (model / MANIFEST).write_text(json.dumps(manifest))
    found = said_of(model, tmp_path)
    assert found.level == "advice"
    assert "memento model pull" in found.advice
