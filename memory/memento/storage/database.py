"""One SQLite file, opened through apsw only, from several threads and processes at once.

Invariants: the library is 3.51.3 or newer (older ones can corrupt a WAL file); every connection waits for locks
instead of failing; every write is one IMMEDIATE transaction; the file is 0600 in a folder that is 0700; the file is
opened by SQLite alone (closing any other descriptor of it would drop the process's POSIX locks).
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

from memento.base import killpoints
from memento.base.durable import locked, make_private_folder
from memento.errors import RowRefused, StoreBusy, StoreCorrupt, StoreDeleted, StoreError
from memento.storage import header, presence, schema, swap
from memento.storage.connection import choose_journal_mode, read_transaction
from memento.storage.migrations import is_outdated, migrate, refuse_foreign
from memento.storage.permissions import create_file, open_failure, restrict_file
from memento.storage.swap import FileIdentity

MINIMUM_SQLITE: Final = (3, 51, 3)
BUSY_SECONDS: Final = 60.0
_DAMAGE: Final = (apsw.SQLITE_IOERR_SHORT_READ, apsw.SQLITE_IOERR_DATA, apsw.SQLITE_IOERR_CORRUPTFS)
"""I/O errors that mean damage of the file: it is too short, or a checksum is wrong."""
_DAMAGED: Final = (apsw.CorruptError, apsw.NotADBError, UnicodeDecodeError, JSONDecodeError)
"""Texts are valid UTF-8, and some are JSON, when written; other content is damage."""
_PROGRESS_STEPS: Final = 2_000
"""Virtual machine steps between two checks of the deadline: about 50 microseconds."""

_RENEW_MS: Final = 2_000
"""How long to wait for readers when a deleted log is renewed."""

_PRAGMAS: Final = """
PRAGMA foreign_keys = ON;
PRAGMA trusted_schema = OFF;
PRAGMA cell_size_check = ON;
PRAGMA mmap_size = 0;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -16000;
PRAGMA synchronous = NORMAL;
PRAGMA secure_delete = FAST;
PRAGMA journal_size_limit = 33554432;
"""


class StoreVersion(NamedTuple):
    """Changes with every write by any thread or process."""

    generation: int
    writes: int


class DeadlineExceeded(Exception):
    """A read was interrupted because its deadline passed; the caller answers with what it has so far."""


@contextmanager
def acquired(lock: threading.Lock | threading.RLock | threading.Semaphore, deadline: float | None) -> Iterator[None]:
    """Hold a lock, waiting for it until `deadline` (time.monotonic()) at most. Raises DeadlineExceeded."""
    if deadline is None:
        lock.acquire()
    elif not lock.acquire(timeout=min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)):
        raise DeadlineExceeded
    try:
        yield
    finally:
        lock.release()


class Database:
    """A database file with one connection per thread.

    `before_migration` is called with a file of an older schema before it is changed. Raises StoreError if the file or
    the SQLite library cannot be used, StoreTooNew for a newer schema.
    """

    def __init__(self, path: Path, before_migration: Callable[[Database], None] = lambda _: None) -> None:
        require_sqlite(apsw.sqlitelibversion())
        header.refuse_foreign_file(path)
        self.path = path
        self._local = threading.local()
        self._connections: weakref.WeakSet[apsw.Connection] = weakref.WeakSet()
        self._guard = threading.Lock()
        self._writing = threading.RLock()
        self._closed = False
        self._process = os.getpid()
        self.identity: FileIdentity | None = None
        """The file that is open."""
        self._opening = 0
        """Increased when every thread must reconnect."""
        self.generation = 0
        """Increased when the open file was replaced, as by a restored backup."""
        self.on_damage: Callable[[StoreCorrupt], None] = lambda _: None
        """Called when SQLite reports damage, before the error is raised."""
        with _without_swap(path):
            create_file(path)
        with translated_errors(path):
            if is_outdated(self.connection):
                self._upgrade(before_migration)
            migrate(self.connection)
        restrict_file(path)

    def _upgrade(self, before_migration: Callable[[Database], None]) -> None:
        """Migrate an older file; when processes start together, one migrates and the others wait."""
        try:
            with locked(self.path.with_name(f"{self.path.name}.migration.lock")):
                if is_outdated(self.connection):
                    before_migration(self)
                    migrate(self.connection)
        except OSError as error:
            raise open_failure(self.path, error) from None

    @property
    def connection(self) -> apsw.Connection:
        """The calling thread's connection, opened on first use."""
        if self._process != os.getpid():
            raise StoreError(f"the store {self.path} was opened before a fork: close it first, or open it in the child")
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        now = swap.identity(self.path)
        is_old = connection is not None and (now, self._opening) != (self._local.identity, self._local.opening)
        if connection is None or self._closed or (is_old and not presence.is_deleted(self.path)):
            with self._guard, translated_errors(self.path), self._without_swap():
                if self._closed:
                    raise StoreError(f"the store {self.path} is closed: open it again with MemoryStore(path)")
                if connection is not None:
                    connection.close()  # leaves the log alone: it belongs to another file now
                connection = self._open()
                self._require_schema(connection)
                self._local.connection, self._local.synchronous = connection, "NORMAL"  # as in _PRAGMAS
                self._local.identity, self._local.opening = swap.identity(self.path), self._opening
                self._connections.add(connection)  # weak: a connection is closed with its thread
                self._note_identity(self._local.identity)
        return connection

    @contextmanager
    def _without_swap(self) -> Iterator[None]:
        """Keep the file from being swapped inside. Raises StoreDeleted if the open file was deleted."""
        self._require_file()
        with _without_swap(self.path):
            yield

    def _require_file(self) -> None:
        if self.identity is not None and presence.is_deleted(self.path):
            raise StoreDeleted(f"{self.path} {presence.WHAT}")

    def _require_schema(self, connection: apsw.Connection) -> None:
        """Refuse a replacement of the open file whose schema is outdated."""
        if self.identity is None or not is_outdated(connection):
            return
        raise StoreError(f"{self.path} was replaced by a store of an older version: start this process again")

    def renew_log(self) -> None:
        """Write a deleted log, which is still open, back to the database; then make every thread reconnect.

        Raises StoreBusy while another process reads.
        """
        connection = self.connection
        with self._translated(), self._writing, self._guard, swap.exclusive_lock(self.path):
            connection.set_busy_timeout(_RENEW_MS)
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._opening += 1
            for one in list(self._connections):
                _close(one, tidy=False)
            self._connections.clear()

    def _note_identity(self, found: FileIdentity | None) -> None:
        if self.identity not in (None, found):
            self.generation += 1
        self.identity = found

    def _open(self) -> apsw.Connection:
        """Open a connection that keeps the log when it closes: SQLite would delete it by name, and the name may belong
        to another file by then. `close` checks that first.
        """
        connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(int(BUSY_SECONDS * 1000))
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
            with read_transaction(connection):  # before anything changes the file or runs code in it
                refuse_foreign(connection)
                schema.check(connection)
            choose_journal_mode(connection, self.path, BUSY_SECONDS)
            for _ in connection.execute(_PRAGMAS):
                pass  # apsw runs the next statement only when the rows of one are read
        except BaseException:
            connection.close()
            raise
        return connection

    def version(self) -> StoreVersion:
        """Return the store's version: the file's generation and the number of writes."""
        with self.read() as connection:
            writes: Any = connection.execute("SELECT count FROM writes").get
            return StoreVersion(self.generation, int(writes or 0))

    @contextmanager
    def write(
        self, *, durable: bool = False, within: float = BUSY_SECONDS, derived: bool = False
    ) -> Iterator[apsw.Connection]:
        """Run the body in one IMMEDIATE transaction; roll back if it raises.

        `durable` waits for the disk (351 us instead of 24), for data that has no other copy; lines of tailed files are
        read again after a power cut. `derived` marks a write that changes no answer, so `version` stays. Raises
        StoreBusy if the lock is not free `within` seconds.
        """
        with self._translated():
            connection = self.connection
        self._require_file()  # a write to a deleted file would be lost
        with self._translated(), self._write_turn(within):
            self._synchronous("FULL" if durable else "NORMAL")
            connection.set_busy_timeout(int(within * 1000))
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                if not derived:
                    connection.execute("UPDATE writes SET count = count + 1")
                killpoints.reach("commit.before")
                connection.execute("COMMIT")
                killpoints.reach("commit.after")
            except BaseException:
                with suppress(apsw.Error):
                    connection.execute("ROLLBACK")
                raise
            finally:
                with suppress(apsw.Error):  # another thread may have closed it
                    connection.set_busy_timeout(int(BUSY_SECONDS * 1000))

    def _synchronous(self, mode: str) -> None:
        """Set the `synchronous` pragma of the calling thread's connection, unless it is set so already."""
        if self._local.synchronous != mode:
            self._local.connection.execute(f"PRAGMA synchronous = {mode}")
            self._local.synchronous = mode

    @contextmanager
    def _write_turn(self, within: float) -> Iterator[None]:
        """Serialise the writes of this process's threads."""
        if not self._writing.acquire(timeout=within):
            raise apsw.BusyError("another thread is writing")
        try:
            yield
        finally:
            self._writing.release()

    @contextmanager
    def read(self, deadline: float | None = None) -> Iterator[apsw.Connection]:
        """Lend the connection for reading; past `deadline` (time.monotonic()) SQLite stops the query.

        Raises DeadlineExceeded.
        """
        with self._translated():
            connection = self.connection
            if deadline is None:
                yield connection
                return
            connection.set_progress_handler(lambda: time.monotonic() > deadline, _PROGRESS_STEPS)
            try:
                yield connection
            except apsw.InterruptError:
                raise DeadlineExceeded from None
            finally:
                with suppress(apsw.Error):  # another thread may have closed it
                    connection.set_progress_handler(None)

    @contextmanager
    def check_connection(self, *, exclusive: bool = False) -> Iterator[apsw.Connection]:
        """Lend a new connection for one check; `exclusive` blocks other writers and rolls back afterwards.

        FTS5's integrity check trusts the index structure cached by its connection, even if another connection has
        written since: on a used connection it would report a sound store as damaged.
        """
        with self._translated():
            with self._guard, self._without_swap():
                connection = self._open()
            try:
                if not exclusive:
                    yield connection
                    return
                with self._write_turn(BUSY_SECONDS):
                    connection.execute("BEGIN IMMEDIATE")
                    yield connection
                    connection.execute("ROLLBACK")
            finally:
                connection.close()  # rolls back what an error left open

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            with translated_errors(self.path):
                yield
        except StoreCorrupt as error:
            self.on_damage(error)
            raise

    def close(self) -> None:
        """Close every thread's connection, after writes; interrupt reads. Later use raises StoreError."""
        if self._process != os.getpid():
            return
        with self._writing, self._guard, ExitStack() as held:
            self._closed = in_place = True
            with suppress(StoreError):
                held.enter_context(self._without_swap())
                in_place = swap.identity(self.path) == self.identity
            for connection in list(self._connections):
                _close(connection, tidy=in_place)
            self._connections.clear()


def require_sqlite(version: str) -> None:
    """Refuse a SQLite library with the WAL-reset corruption bug (fixed in 3.51.3)."""
    if tuple(int(part) for part in version.split(".")) < MINIMUM_SQLITE:
        needed = ".".join(str(part) for part in MINIMUM_SQLITE)
        raise StoreError(
            f"SQLite {version} can corrupt a database in WAL mode: Memento needs {needed} or newer. "
            "Upgrade apsw: pip install --upgrade apsw"
        )


def is_part_of(database: Path, path: Path) -> bool:
    """Tell whether a path is one of the database's files. Only SQLite may open those: closing one drops our locks."""
    with suppress(OSError):
        file = os.stat(path)  # noqa: PTH116 - asked for every file of a sweep, and pathlib takes twice the time
        for name in (f"{database}", f"{database}-wal", f"{database}-shm"):
            with suppress(OSError):
                if os.path.samestat(file, os.stat(name)):  # noqa: PTH116
                    return True
    return False


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Translate apsw's errors into Memento's, which name the file and the remedy."""
    try:
        yield
    except apsw.BusyError:
        raise StoreBusy(
            f"{path} stayed locked by another process: stop the one that holds it (`fuser` names it) and try again"
        ) from None
    except _DAMAGED as error:
        raise StoreCorrupt(
            f"{path} is damaged or is no SQLite database ({error}): move it aside, or restore a backup of it"
        ) from None
    except apsw.FullError:
        raise StoreError(f"{path}: the disk is full. Free some space and try again; nothing was lost") from None
    except (apsw.ReadOnlyError, apsw.CantOpenError, apsw.PermissionsError) as error:
        raise StoreError(f"{path} cannot be opened for writing ({error}): check its permissions") from None
    except apsw.IOError as error:
        if getattr(error, "extendedresult", 0) in _DAMAGE:
            raise StoreCorrupt(f"{path} is damaged ({error}): restore a backup of it") from None
        raise StoreError(f"{path}: reading or writing failed ({error}): check the disk") from None
    except (apsw.ConstraintError, apsw.MismatchError, apsw.TooBigError) as error:
        raise RowRefused(
            f"{path} cannot hold what was to be written ({error}): report it with the file's name"
        ) from None
    except apsw.ConnectionClosedError:
        raise StoreError(f"the store {path} was closed while it was in use") from None
    except apsw.Error as error:
        raise StoreError(f"{path} cannot be used ({error})") from error


@contextmanager
def _without_swap(path: Path) -> Iterator[None]:
    """Keep the file from being swapped inside; create its folder if it is missing."""
    with ExitStack() as held:
        try:
            make_private_folder(path.parent)
            held.enter_context(swap.shared_lock(path))
        except OSError as error:
            raise open_failure(path, error) from None
        yield


def _close(connection: apsw.Connection, *, tidy: bool) -> None:
    while True:
        try:
            if tidy:
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
            connection.close()
        except apsw.ThreadingViolationError:  # another thread is inside a query
            connection.interrupt()
            time.sleep(0.001)
        else:
            return
