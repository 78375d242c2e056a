"""Print the installed packages that a package does not need to run: what an image leaves out.

Usage: python unneeded.py PACKAGE
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, distributions, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

KEPT = {"pip"}


def needed(package: str) -> set[str]:
    """Return the names of a package and of all that it needs here, without extras."""
    found: set[str] = set()
    waiting = [package]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        try:
            declared = requires(name) or []
        except PackageNotFoundError:  # its marker holds on another system
            continue
        for text in declared:
            requirement = Requirement(text)
            extras = requirement.extras or {""}
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
                waiting += _of_extras(requirement.name, extras)
    return found


def _of_extras(name: str, extras: set[str]) -> list[str]:
    """Return what the named extras of a package ask for."""
    try:
        declared = [Requirement(text) for text in requires(name) or []]
    except PackageNotFoundError:
        return []
    return [
        one.name
        for one in declared
        for extra in extras - {""}
        if one.marker is not None and one.marker.evaluate({"extra": extra})
    ]


if __name__ == "__main__":
    keep = needed(sys.argv[1]) | KEPT
    there = {canonicalize_name(one.metadata["Name"]) for one in distributions()}
    sys.stdout.write(" ".join(sorted(there - keep)) + "\n")
