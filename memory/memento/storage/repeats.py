"""Memories that say again what older ones said: the newest stands for all of them, and they are counted with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import apsw

from memento.storage.filters import AMONG, listed


def mark(connection: apsw.Connection, newest: Iterable[tuple[str, str]]) -> None:
    """Say of each memory, the first of a pair, which newer one says the same, inside the caller's transaction."""
    connection.executemany(
        "INSERT OR REPLACE INTO repeats SELECT older.num, newest.num FROM memories AS older, memories AS newest "
        "WHERE older.id = ? AND newest.id = ?",
        newest,
    )


def unmark(connection: apsw.Connection, memories: Iterable[str]) -> None:
    """Say of each memory that no newer one says the same, inside the caller's transaction."""
    connection.executemany(
        "DELETE FROM repeats WHERE num = (SELECT num FROM memories WHERE id = ?)", ((one,) for one in memories)
    )


def newest(connection: apsw.Connection, nums: Sequence[int]) -> dict[int, int]:
    """Return {row number: that of the newest memory that says the same}, where there is a newer one."""
    return dict(connection.execute(f"SELECT num, newest FROM repeats WHERE num {AMONG}", (listed(nums),)))


def alike(connection: apsw.Connection, nums: Sequence[int]) -> dict[int, set[int]]:
    """Return {row number: those of all other memories that say the same}."""
    newer = newest(connection, nums)
    last = {num: newer.get(num, num) for num in nums}
    same = {one: {one} for one in last.values()}
    find = f"SELECT newest, num FROM repeats WHERE newest {AMONG}"
    for one, older in connection.execute(find, (listed(same),)):
        same[one].add(older)
    return {num: same[last[num]] - {num} for num in nums}
