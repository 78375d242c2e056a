"""Whether the surroundings are fit for a store: library, file system, space, backups, the journal, the model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Final

from memento.base.counted import counted
from memento.base.filesystem import SILENT, kind_of
from memento.base.times import now_ms
from memento.health.examination import Check, Finding, Patient, advised, broken
from memento.health.time_checks import TIME
from memento.storage import meta
from memento.storage.permissions import exposed_files, exposed_folders

LEAST_FREE: Final = 256 * 1024 * 1024
OLD_BACKUP_MS: Final = 26 * 3_600_000
OLD_HEALING_MS: Final = 7 * 86_400_000


def _library(patient: Patient) -> Iterator[Finding]:
    import apsw

    from memento.errors import StoreError
    from memento.storage.database import require_sqlite

    try:
        require_sqlite(apsw.sqlitelibversion())
    except StoreError as error:
        yield broken(str(error), "pip install --upgrade apsw")


def _filesystem(patient: Patient) -> Iterator[Finding]:
    kind = kind_of(patient.database.path)
    if kind in SILENT:
        yield advised(
            f"the store lies on a network file system ({kind}): it goes without a write-ahead log there, more slowly",
            "use it from one machine at a time, or move it: set storage.db_path to a file on a local disk",
        )


def _space(patient: Patient) -> Iterator[Finding]:
    free = shutil.disk_usage(patient.database.path.parent).free
    needed = LEAST_FREE + 2 * patient.database.path.stat().st_size
    if free < LEAST_FREE:
        yield broken(f"only {free / 1e6:,.0f} MB are free on the store's disk", "free some space: capture stops soon")
    elif free < needed:
        yield advised(f"{free / 1e6:,.0f} MB are free; a backup needs {needed / 1e6:,.0f} MB", "free some space")


def _backups(patient: Patient) -> Iterator[Finding]:
    from memento.backup import BackupDirectory

    if not patient.config.settings.storage.backup_enabled:
        yield advised("backups are switched off", "set storage.backup_enabled to true")
        return
    backups = BackupDirectory(patient.database.path).all()
    if not backups:
        yield advised("there is no backup yet", "`memento backup` takes one; `memento watch` takes one an hour")
        return
    age = now_ms() - backups[0].manifest.at
    if age > OLD_BACKUP_MS:
        yield advised(
            f"the newest backup is {counted(round(age / 3_600_000), 'hour')} old",
            "`memento backup` takes one; keep `memento watch` or `memento jobs run hourly-backup` running",
        )


def _model(patient: Patient) -> Iterator[Finding]:
    from memento.embedding import find_model
    from memento.embedding.model_files import BUILD

    files = find_model(patient.config.model_dir)
    if files is None:
        yield advised(
            "no embedding model is installed: recall works by words only", "`memento model pull` installs one"
        )
    else:
        files.verify()
        if files.build < BUILD:
            text = "the embedding model was built by an older version: recall compares no single words"
            yield advised(text, "`memento model pull` builds it anew")


def _engine(patient: Patient) -> Iterator[Finding]:
    from memento.base.native import describe

    wanted, engine = patient.config.settings.rust, describe()
    if wanted and engine.problem:
        yield broken(f"the native engine is demanded, but {engine.problem}", "`make native`, or set rust to false")
    elif wanted is None and engine.version and engine.problem:
        yield advised(f"the native engine is not used: {engine.problem}", "`make native` builds it anew")
    elif wanted is not False and engine.version and (refused := _model_refused(patient)):
        text = f"the native engine cannot run the model ({refused})"
        if wanted:
            yield broken(text, "set rust to false, or take another model: `memento model use all-MiniLM-L6-v2`")
        else:
            yield advised(f"{text}; the Python engine does", "set rust to false if it is to stay so")
    elif wanted is not False and engine.version:
        yield Finding("", "ok", f"native {engine.version}, {engine.simd}, ONNX Runtime from {engine.runtime}")


def _backend(patient: Patient) -> Iterator[Finding]:
    from memento.errors import ConfigError
    from memento.search.index.backends import accelerator_class, resolved

    settings = patient.config.settings
    try:
        accelerator_class(resolved(settings.recall.index, settings.rust), 1)
    except ConfigError as error:
        text, _, advice = str(error).partition(": ")
        yield broken(text, advice)


def _model_refused(patient: Patient) -> str:
    """Return why the native engine cannot run the installed model; empty where it can, or is not to."""
    from memento.embedding import installed, load_embedder
    from memento.errors import ModelError

    folder = patient.config.model_dir
    if not patient.config.settings.embedding.use_onnx or not installed(folder):
        return ""
    try:
        load_embedder(folder, rust=True)
    except ModelError as error:
        return str(error)
    return ""


def _private(patient: Patient) -> Iterator[Finding]:
    path = patient.database.path
    for one in (*exposed_folders(path, patient.config.home), *exposed_files(path)):
        yield broken(one.what, one.remedy)
    owner = path.parent.stat().st_uid
    if owner not in (os.geteuid(), 0) and os.geteuid():
        text = f"the store lies in {path.parent}, which belongs to user {owner}: they can replace it"
        yield advised(text, "set storage.db_path to a file in a folder of your own")


def _healed(patient: Patient) -> Iterator[Finding]:
    from memento.health.healings import last

    with patient.database.read() as connection:
        healing = last(connection)
    if healing and abs(now_ms() - healing.at) < OLD_HEALING_MS:
        yield advised(healing.text, healing.advice)


def _forgotten(patient: Patient) -> Iterator[Finding]:
    with patient.database.read() as connection:
        unfinished = meta.read_note(connection, meta.FORGETTING)
    if unfinished:
        yield advised(
            "free pages of the store, the journal or backups may still hold what was forgotten",
            "`memento forget --finish` takes it out",
        )


STATE: Final = (
    Check("sqlite", _library),
    Check("filesystem", _filesystem),
    Check("space", _space),
    Check("backups", _backups),
    Check("private", _private),
    Check("restored", _healed),
    Check("forgotten", _forgotten),
    Check("model", _model),
    Check("engine", _engine),
    Check("index", _backend),
    *TIME,
)
