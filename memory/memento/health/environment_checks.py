"""Whether the environment is fit for a store: library, file system, disk space, backups, model, clock."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Final

from memento.base.counted import counted
from memento.base.filesystem import REMOTE_KINDS, kind_of
from memento.base.times import EARLIEST_CLOCK, MOST_AHEAD, iso, now_ms
from memento.health.checks import Check, CheckContext, Finding, advice_finding, broken_finding
from memento.storage import meta, timestamps
from memento.storage.permissions import exposed_files, exposed_folders

LEAST_FREE: Final = 256 * 1024 * 1024
OLD_BACKUP_MS: Final = 26 * 3_600_000
OLD_HEALING_MS: Final = 7 * 86_400_000


def _library(context: CheckContext) -> Iterator[Finding]:
    import apsw

    from memento.errors import StoreError
    from memento.storage.database import require_sqlite

    try:
        require_sqlite(apsw.sqlitelibversion())
    except StoreError as error:
        yield broken_finding(str(error), "pip install --upgrade apsw")


def _filesystem(context: CheckContext) -> Iterator[Finding]:
    kind = kind_of(context.database.path)
    if kind in REMOTE_KINDS:
        yield advice_finding(
            f"the store lies on a network file system ({kind}): it goes without a write-ahead log there, more slowly",
            "use it from one machine at a time, or move it: set storage.db_path to a file on a local disk",
        )


def _space(context: CheckContext) -> Iterator[Finding]:
    free = shutil.disk_usage(context.database.path.parent).free
    needed = LEAST_FREE + 2 * context.database.path.stat().st_size
    if free < LEAST_FREE:
        yield broken_finding(
            f"only {free / 1e6:,.0f} MB are free on the store's disk", "free some space: capture stops soon"
        )
    elif free < needed:
        yield advice_finding(f"{free / 1e6:,.0f} MB are free; a backup needs {needed / 1e6:,.0f} MB", "free some space")


def _backups(context: CheckContext) -> Iterator[Finding]:
    from memento.backup import BackupDirectory

    if not context.config.settings.storage.backup_enabled:
        yield advice_finding("backups are switched off", "set storage.backup_enabled to true")
        return
    backups = BackupDirectory(context.database.path).all()
    if not backups:
        yield advice_finding("there is no backup yet", "`memento backup` takes one; `memento watch` takes one an hour")
        return
    age = now_ms() - backups[0].manifest.at
    if age > OLD_BACKUP_MS:
        yield advice_finding(
            f"the newest backup is {counted(round(age / 3_600_000), 'hour')} old",
            "`memento backup` takes one; keep `memento watch` or `memento jobs run hourly-backup` running",
        )


def _model(context: CheckContext) -> Iterator[Finding]:
    from memento.embedding import find_model
    from memento.embedding.model_files import BUILD

    files = find_model(context.config.model_dir)
    if files is None:
        yield advice_finding(
            "no embedding model is installed: recall works by words only", "`memento model pull` installs one"
        )
    else:
        files.verify()
        if files.build < BUILD:
            text = "the embedding model was built by an older version: recall compares no single words"
            yield advice_finding(text, "`memento model pull` builds it anew")


def _engine(context: CheckContext) -> Iterator[Finding]:
    from memento.base.native import describe

    wanted, engine = context.config.settings.rust, describe()
    if wanted and engine.problem:
        yield broken_finding(
            f"the native engine is demanded, but {engine.problem}", "`make native`, or set rust to false"
        )
    elif wanted is None and engine.version and engine.problem:
        yield advice_finding(f"the native engine is not used: {engine.problem}", "`make native` builds it anew")
    elif wanted is not False and engine.version and (refused := _model_refused(context)):
        text = f"the native engine cannot run the model ({refused})"
        if wanted:
            yield broken_finding(text, "set rust to false, or take another model: `memento model use all-MiniLM-L6-v2`")
        else:
            yield advice_finding(f"{text}; the Python engine does", "set rust to false if it is to stay so")
    elif wanted is not False and engine.version:
        yield Finding("", "ok", f"native {engine.version}, {engine.simd}, ONNX Runtime from {engine.runtime}")


def _backend(context: CheckContext) -> Iterator[Finding]:
    from memento.errors import ConfigError
    from memento.search.index.backends import accelerator_class, resolved

    settings = context.config.settings
    try:
        accelerator_class(resolved(settings.recall.index, settings.rust), 1)
    except ConfigError as error:
        text, _, advice = str(error).partition(": ")
        yield broken_finding(text, advice)


def _model_refused(context: CheckContext) -> str:
    """Return why the native engine cannot run the installed model; empty if it can, or is not used."""
    from memento.embedding import installed, load_embedder
    from memento.errors import ModelError

    folder = context.config.model_dir
    if not context.config.settings.embedding.use_onnx or not installed(folder):
        return ""
    try:
        load_embedder(folder, rust=True)
    except ModelError as error:
        return str(error)
    return ""


def _private(context: CheckContext) -> Iterator[Finding]:
    path = context.database.path
    for one in (*exposed_folders(path, context.config.home), *exposed_files(path)):
        yield broken_finding(one.what, one.remedy)
    owner = path.parent.stat().st_uid
    if owner not in (os.geteuid(), 0) and os.geteuid():
        text = f"the store lies in {path.parent}, which belongs to user {owner}: they can replace it"
        yield advice_finding(text, "set storage.db_path to a file in a folder of your own")


def _healed(context: CheckContext) -> Iterator[Finding]:
    from memento.health.healings import read_last

    with context.database.read() as connection:
        healing = read_last(connection)
    if healing and abs(now_ms() - healing.at) < OLD_HEALING_MS:
        yield advice_finding(healing.text, healing.advice)


def _forgotten(context: CheckContext) -> Iterator[Finding]:
    with context.database.read() as connection:
        unfinished = meta.read_note(connection, meta.FORGETTING)
    if unfinished:
        yield advice_finding(
            "free pages of the store, the journal or backups may still hold what was forgotten",
            "`memento forget --finish` takes it out",
        )


_RECENT_MS: Final = 30 * 86_400_000
"""Age up to which a timestamp ahead of the clock is worth a warning; older ones are only counted."""
_SET_CLOCK: Final = "set the clock, or let the system do it: `timedatectl set-ntp true`"


def _clock(context: CheckContext) -> Iterator[Finding]:
    from memento.backup import BackupDirectory

    now = now_ms()
    if now < EARLIEST_CLOCK:
        shown = iso(now) or "1970"
        yield advice_finding(f"this machine's clock shows {shown}: stamps and ages are not judged by it", _SET_CLOCK)
    with context.database.read() as connection:
        early, late = timestamps.count_wrong_clock(connection, now)
    if early and now >= EARLIEST_CLOCK:
        them = counted(early, "memory was", "memories were")
        yield Finding("", "ok", f"{them} stored while the clock showed a time before 2020")
    if late:
        them = counted(late, "memory was", "memories were")
        yield advice_finding(
            f"{them} stored at a time that the clock has not reached: it is slow now, or was fast", _SET_CLOCK
        )
    if fast := [one for one in BackupDirectory(context.database.path).all() if one.manifest.at > now + MOST_AHEAD]:
        them = counted(len(fast), "backup was", "backups were")
        text = f"{them} taken at a time that the clock has not reached; `restore --latest` goes by their order"
        yield advice_finding(text, _SET_CLOCK)


def _stamps(context: CheckContext) -> Iterator[Finding]:
    with context.database.read() as connection:
        found = timestamps.count_ahead(connection, now_ms() - _RECENT_MS)
    if not found.all:
        return
    text = f"{counted(found.all, 'memory', 'memories')} came with a stamp ahead of the clock"
    if found.unflagged:
        yield advice_finding(
            f"{text}, {found.unflagged:,} of them stored as it was", "`memento consolidate` sets it right"
        )
        return
    text += ": stored under the time of storing, after all others in `recent`, superseding nothing"
    if found.recent:
        yield advice_finding(text, "set the clock of the machine that wrote the transcript, or of this one")
    else:
        yield Finding("", "ok", text)


ENVIRONMENT_CHECKS: Final = (
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
    Check("clock", _clock),
    Check("stamps", _stamps),
)
