"""The codes of memories' words (embedding/token_codes.py): derived, like the vectors they were made with.

Kept where a speaker is named. Between a user and an assistant they brought a point at most (docs/recall.md), and there
texts are long: a kilobyte or two of codes for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import apsw

from memento.storage.filters import AMONG, listed
from memento.storage.vectors import Pending


def write(connection: apsw.Connection, model: str, done: Iterable[tuple[Pending, bytes]]) -> None:
    """Keep codes inside the caller's transaction; not of a row whose text changed meanwhile."""
    connection.executemany(
        "INSERT OR REPLACE INTO token_codes (num, model, codes) SELECT num, ?, ? FROM memories "
        "WHERE num = ? AND text = ? AND speaker <> ''",
        [(model, codes, row.num, row.text) for row, codes in done if codes],
    )


def of(connection: apsw.Connection, model: str, nums: Sequence[int]) -> dict[int, bytes]:
    """Return {row number: codes}, as far as there are any."""
    sql = f"SELECT num, codes FROM token_codes WHERE model = ? AND num {AMONG}"
    return dict(connection.execute(sql, (model, listed(nums))))
