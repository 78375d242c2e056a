"""Branches in a tree of records: which ones a turn leaves behind when it goes on from an earlier record."""

from __future__ import annotations

from collections.abc import Sequence

Link = tuple[str, str, str]
"""A record's place in the tree of records: its id, its parent's, and the key of its message if it has one."""


def abandoned(links: Sequence[Link], record: str, parent: str) -> tuple[str, ...]:
    """Return the keys of the messages that a new turn leaves on an abandoned branch.

    `links` are the latest records in the order of the file. A turn whose parent is an earlier record than the latest
    one starts a new branch there: what descends from that parent is abandoned. Siblings are not, for parallel tool
    calls have results side by side. A record seen before is a copy and starts nothing.
    """
    if not parent or not links or links[-1][0] == parent:
        return ()
    places = {link[0]: place for place, link in enumerate(links)}
    if parent not in places or record in places:
        return ()
    branch = {parent}
    keys: dict[str, None] = {}
    for child, above, key in links[places[parent] + 1 :]:
        if above in branch:
            branch.add(child)
            keys[key] = None
    keys.pop("", None)
    return tuple(keys)
