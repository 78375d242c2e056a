"""The schema, as ordered migrations: each runs in one transaction together with the version it reaches.

`application_id` marks the file as Memento's and `user_version` counts its migrations. A file of another program, or of
a newer Memento, is refused untouched.
"""

from __future__ import annotations

from typing import Final

import apsw

from memento.base import killpoints
from memento.errors import StoreTooNew
from memento.storage import fulltext
from memento.storage.connection import read_transaction

APPLICATION_ID: Final = 0x4D_6D_74_6F
"""`Mmto` in ASCII."""

_V1: Final = """
CREATE TABLE memories (
    num           INTEGER PRIMARY KEY,      -- an explicit rowid: VACUUM would renumber an implicit one under the FTS
    id            TEXT NOT NULL UNIQUE,
    text          TEXT NOT NULL,
    timestamp     INTEGER NOT NULL,         -- the event's own time, Unix ms; 0 = unknown
    source        TEXT NOT NULL,
    session_id    TEXT NOT NULL,
    role          TEXT NOT NULL,
    speaker       TEXT NOT NULL,
    trust         TEXT NOT NULL,
    kind          TEXT NOT NULL,
    importance    REAL NOT NULL,
    tags          TEXT NOT NULL,            -- JSON array of strings
    collection    TEXT NOT NULL DEFAULT 'knowledge',
    project       TEXT NOT NULL,
    active        INTEGER NOT NULL,         -- 0 on an abandoned branch
    ingested_at   INTEGER NOT NULL,
    superseded_by TEXT,
    meta          TEXT NOT NULL,            -- JSON object
    why           TEXT NOT NULL,            -- JSON: the decision that kept it
    content_hash  BLOB NOT NULL,            -- identity.row_hash of the columns in rows.HASHED
    model         TEXT,                     -- which embedder made the vectors; NULL = not embedded yet
    embedding_seq INTEGER,                  -- grows with every embedding written: what an index has not seen yet
    embedding_hash BLOB,
    embedding     BLOB                      -- k x dimensions float32, one unit vector per passage
) STRICT;
CREATE INDEX memories_time ON memories (timestamp);
CREATE INDEX memories_session ON memories (session_id, timestamp);
CREATE INDEX memories_project ON memories (project);
CREATE INDEX memories_embedding ON memories (model, embedding_seq);

CREATE TABLE memory_tags (
    tag TEXT NOT NULL,
    num INTEGER NOT NULL REFERENCES memories (num) ON DELETE CASCADE,
    PRIMARY KEY (tag, num)
) STRICT, WITHOUT ROWID;
CREATE INDEX memory_tags_num ON memory_tags (num);

CREATE VIRTUAL TABLE memories_fts USING fts5 (
    text, tags, speaker, content = 'memories', content_rowid = 'num', tokenize = 'porter unicode61 remove_diacritics 2'
);

CREATE TRIGGER memories_inserted AFTER INSERT ON memories BEGIN
    INSERT INTO memories_fts (rowid, text, tags, speaker) VALUES (new.num, new.text, new.tags, new.speaker);
    INSERT INTO memory_tags (tag, num) SELECT DISTINCT value, new.num FROM json_each(new.tags);
END;
CREATE TRIGGER memories_deleted AFTER DELETE ON memories BEGIN
    INSERT INTO memories_fts (memories_fts, rowid, text, tags, speaker)
        VALUES ('delete', old.num, old.text, old.tags, old.speaker);
END;
CREATE TRIGGER memories_updated AFTER UPDATE OF text, tags, speaker ON memories BEGIN
    INSERT INTO memories_fts (memories_fts, rowid, text, tags, speaker)
        VALUES ('delete', old.num, old.text, old.tags, old.speaker);
    INSERT INTO memories_fts (rowid, text, tags, speaker) VALUES (new.num, new.text, new.tags, new.speaker);
    DELETE FROM memory_tags WHERE num = old.num;
    INSERT INTO memory_tags (tag, num) SELECT DISTINCT value, new.num FROM json_each(new.tags);
END;

CREATE TABLE embedding_cache (
    text_hash BLOB PRIMARY KEY,             -- of model and text
    embedding BLOB NOT NULL,
    timestamp INTEGER NOT NULL              -- when it was used last, Unix ms
) STRICT;
CREATE INDEX embedding_cache_time ON embedding_cache (timestamp);

CREATE TABLE sources (
    num         INTEGER PRIMARY KEY,
    path        TEXT NOT NULL UNIQUE,
    format      TEXT NOT NULL,
    device      INTEGER NOT NULL,
    inode       INTEGER NOT NULL,
    head_length INTEGER NOT NULL,           -- bytes under head_hash: grows with the file up to its limit
    head_hash   BLOB NOT NULL,
    marker_hash BLOB NOT NULL,              -- of the bytes just before `offset`
    offset      INTEGER NOT NULL,           -- everything before it is accounted for in the ledger
    open_bytes  INTEGER NOT NULL,           -- read and stored behind `offset`, and read again next time
    size        INTEGER NOT NULL,
    modified    INTEGER NOT NULL,           -- nanoseconds, as the filesystem states it
    state       TEXT NOT NULL,              -- JSON: the parser's state at `offset`
    last_read   INTEGER NOT NULL,
    error       TEXT
) STRICT;

CREATE INDEX sources_identity ON sources (device, inode);

CREATE TABLE ledger (
    source   INTEGER NOT NULL REFERENCES sources (num) ON DELETE CASCADE,
    outcome  TEXT NOT NULL,                 -- stored, skipped, quarantined
    reason   TEXT NOT NULL,
    messages INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    PRIMARY KEY (source, outcome, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine (
    num    INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES sources (num) ON DELETE CASCADE,
    offset INTEGER NOT NULL,
    length INTEGER NOT NULL,
    reason TEXT NOT NULL,
    sample TEXT NOT NULL,                   -- the first bytes, redacted
    at     INTEGER NOT NULL,
    UNIQUE (source, offset, length, reason)
) STRICT;

CREATE TABLE sessions (
    source     TEXT NOT NULL,
    session_id TEXT NOT NULL,
    title      TEXT NOT NULL,
    title_rank INTEGER NOT NULL,
    PRIMARY KEY (source, session_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE tombstones (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE followed (
    path TEXT PRIMARY KEY,                  -- a transcript that a hook named, outside the agents' usual places
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ignored (
    kind  TEXT NOT NULL,                    -- session, project
    value TEXT NOT NULL,
    at    INTEGER NOT NULL,
    PRIMARY KEY (kind, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (name TEXT PRIMARY KEY, last_success INTEGER, last_error TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""

_V2: Final = """
-- Which store a derived file belongs to. A copy of the store keeps it.
INSERT INTO meta (key, value) VALUES ('store', lower(hex(randomblob(16))));
"""

_V3: Final = """
-- How many memories hold a stem: what BM25 weighs it by. Reads the index, stores nothing.
CREATE VIRTUAL TABLE memories_vocabulary USING fts5vocab (memories_fts, row);
"""

_V4: Final = """
-- Vectors of a model that is to follow the one that answers: moved into `memories` at once when every row has one.
CREATE TABLE embeddings_next (
    num            INTEGER PRIMARY KEY,     -- of the memory
    model          TEXT NOT NULL,
    embedding_hash BLOB NOT NULL,
    embedding      BLOB NOT NULL
) STRICT;
CREATE INDEX embeddings_next_model ON embeddings_next (model, num);
CREATE TRIGGER memories_deleted_next AFTER DELETE ON memories BEGIN
    DELETE FROM embeddings_next WHERE num = old.num;
END;
CREATE TRIGGER memories_updated_next AFTER UPDATE OF text ON memories WHEN old.text <> new.text BEGIN
    DELETE FROM embeddings_next WHERE num = old.num;
END;
"""

_V5: Final = """
-- One row: how often the store was written to. While it stands still, an answer given before holds.
CREATE TABLE writes (count INTEGER NOT NULL) STRICT;
INSERT INTO writes (count) VALUES (0);
"""

_V6: Final = """
-- Which memory says again what an older one of the same voice said. Derived: consolidation writes it anew.
CREATE TABLE repeats (
    num    INTEGER PRIMARY KEY,             -- of the older memory
    newest INTEGER NOT NULL                 -- of the newest that says the same
) STRICT;
CREATE INDEX repeats_newest ON repeats (newest);
CREATE TRIGGER memories_deleted_repeats AFTER DELETE ON memories BEGIN
    DELETE FROM repeats WHERE num = old.num OR newest = old.num;
END;
CREATE TRIGGER memories_updated_repeats AFTER UPDATE OF text ON memories WHEN old.text <> new.text BEGIN
    DELETE FROM repeats WHERE num = old.num OR newest = old.num;
END;
"""

_V7: Final = """
-- The codes of each memory's words in their context, beside its vector of the same model (embedding/token_codes.py).
CREATE TABLE token_codes (
    num   INTEGER NOT NULL,                 -- of the memory
    model TEXT NOT NULL,
    codes BLOB NOT NULL,
    PRIMARY KEY (num, model)
) STRICT;                                   -- with row numbers: codes are too long to be found in the index itself
CREATE TRIGGER memories_deleted_codes AFTER DELETE ON memories BEGIN
    DELETE FROM token_codes WHERE num = old.num;
END;
CREATE TRIGGER memories_updated_codes AFTER UPDATE OF text ON memories WHEN old.text <> new.text BEGIN
    DELETE FROM token_codes WHERE num = old.num;
END;
DELETE FROM embedding_cache;
ALTER TABLE embedding_cache ADD COLUMN codes BLOB NOT NULL DEFAULT x'';
"""

_V8: Final = """
-- The memories that have faded. Derived: consolidation writes it anew.
CREATE TABLE faded (num INTEGER PRIMARY KEY) STRICT;
CREATE TRIGGER memories_deleted_faded AFTER DELETE ON memories BEGIN
    DELETE FROM faded WHERE num = old.num;
END;
"""

_V9: Final = """
-- The vectors of a long text's segments made so far: joined into its embedding when the last one is made.
CREATE TABLE embedded_segments (
    num            INTEGER NOT NULL,        -- of the memory
    model          TEXT NOT NULL,
    start          INTEGER NOT NULL,        -- characters of the text from here
    stop           INTEGER NOT NULL,        -- to here
    embedding_hash BLOB NOT NULL,           -- of `embedding`
    embedding      BLOB NOT NULL,           -- as in `memories`
    codes          BLOB NOT NULL,           -- as in `token_codes`
    PRIMARY KEY (num, model, start)
) STRICT;
CREATE TRIGGER memories_deleted_segments AFTER DELETE ON memories BEGIN
    DELETE FROM embedded_segments WHERE num = old.num;
END;
CREATE TRIGGER memories_updated_segments AFTER UPDATE OF text ON memories WHEN old.text <> new.text BEGIN
    DELETE FROM embedded_segments WHERE num = old.num;
END;
"""

_V10: Final = """
-- Which memories were read from which sources: what a source's account says is kept is what the store holds of it.
CREATE TABLE memory_sources (
    source INTEGER NOT NULL REFERENCES sources (num) ON DELETE CASCADE,
    memory INTEGER NOT NULL,                -- num of the memory
    PRIMARY KEY (source, memory)
) STRICT, WITHOUT ROWID;
CREATE INDEX memory_sources_memory ON memory_sources (memory);
CREATE TRIGGER memories_deleted_sources AFTER DELETE ON memories BEGIN
    DELETE FROM memory_sources WHERE memory = old.num;
END;
-- 1: all that was read of the source is in memory_sources
ALTER TABLE sources ADD COLUMN attributed INTEGER NOT NULL DEFAULT 0;
-- Marks of databases had no digests: what they missed is found when the databases are read again.
UPDATE sources SET size = 0 WHERE format IN ('opencode', 'cursor-ide', 'goose', 'openclaw-sqlite');
"""

_V11: Final = """
-- The words of a text that the tokenizer does not see (base/subwords.py). Derived: `fulltext.rebuild` fills it.
DROP TRIGGER memories_inserted;
DROP TRIGGER memories_deleted;
DROP TRIGGER memories_updated;
DROP TABLE memories_vocabulary;
DROP TABLE memories_fts;
ALTER TABLE memories ADD COLUMN subwords TEXT NOT NULL DEFAULT '';
CREATE VIRTUAL TABLE memories_fts USING fts5 (
    text, tags, speaker, subwords,
    content = 'memories', content_rowid = 'num', tokenize = 'porter unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE memories_vocabulary USING fts5vocab (memories_fts, row);
CREATE TRIGGER memories_inserted AFTER INSERT ON memories BEGIN
    INSERT INTO memories_fts (rowid, text, tags, speaker, subwords)
        VALUES (new.num, new.text, new.tags, new.speaker, new.subwords);
    INSERT INTO memory_tags (tag, num) SELECT DISTINCT value, new.num FROM json_each(new.tags);
END;
CREATE TRIGGER memories_deleted AFTER DELETE ON memories BEGIN
    INSERT INTO memories_fts (memories_fts, rowid, text, tags, speaker, subwords)
        VALUES ('delete', old.num, old.text, old.tags, old.speaker, old.subwords);
END;
CREATE TRIGGER memories_updated AFTER UPDATE OF text, tags, speaker ON memories BEGIN
    INSERT INTO memories_fts (memories_fts, rowid, text, tags, speaker, subwords)
        VALUES ('delete', old.num, old.text, old.tags, old.speaker, old.subwords);
    INSERT INTO memories_fts (rowid, text, tags, speaker, subwords)
        VALUES (new.num, new.text, new.tags, new.speaker, new.subwords);
    DELETE FROM memory_tags WHERE num = old.num;
    INSERT INTO memory_tags (tag, num) SELECT DISTINCT value, new.num FROM json_each(new.tags);
END;
"""

MIGRATIONS: Final = (_V1, _V2, _V3, _V4, _V5, _V6, _V7, _V8, _V9, _V10, _V11)
_SUBWORDS: Final = 11
"""The version whose full-text index is made from rows that were there before."""


def is_outdated(connection: apsw.Connection) -> bool:
    """Tell whether the file is a store of an older schema; an empty file is not."""
    return 0 < _pragma(connection, "user_version") < len(MIGRATIONS)


def migrate(connection: apsw.Connection) -> None:
    """Bring the file to the newest schema.

    Raises StoreTooNew for a file of a newer Memento or of another program.
    """
    if _pragma(connection, "user_version") == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        refuse_foreign(connection)
        for version in range(_pragma(connection, "user_version"), len(MIGRATIONS)):
            connection.execute(MIGRATIONS[version])
            if version + 1 == _SUBWORDS:
                fulltext.rebuild(connection)
            connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        killpoints.reach("migration")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def refuse_foreign(connection: apsw.Connection) -> None:
    """Raise StoreTooNew unless the file is empty or a store whose schema this version knows."""
    name = connection.filename
    application, version, tables = _claims(connection)
    if application != APPLICATION_ID and (application or version or tables):
        raise StoreTooNew(
            f"{name} is a SQLite database of another program: name another file with --db or MEMORY_DB_PATH"
        )
    if version > len(MIGRATIONS):
        raise StoreTooNew(
            f"{name} has schema {version}, this Memento knows {len(MIGRATIONS)}: upgrade memento-memory to open it"
        )


def _claims(connection: apsw.Connection) -> tuple[int, int, int]:
    """Return application id, version and number of objects, read in one transaction.

    By pragmas, not by table-valued functions: a file may contain a view with the name of one.
    """
    with read_transaction(connection):
        objects = connection.execute("SELECT count(*) FROM sqlite_master").get
        return _pragma(connection, "application_id"), _pragma(connection, "user_version"), int(objects or 0)


def _pragma(connection: apsw.Connection, name: str) -> int:
    value = connection.pragma(name)
    return int(value) if isinstance(value, int | str) else 0
