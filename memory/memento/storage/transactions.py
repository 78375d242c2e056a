"""Read transactions: several statements that see the database as it was at one moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw


@contextmanager
def one_moment(connection: apsw.Connection) -> Iterator[None]:
    """Show the body the database as it was when this began, or as the caller's transaction sees it if there is one."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
