"""The options that narrow what is found; the same for every command that finds memories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypedDict, cast

from memento.base.home import expand_user
from memento.errors import UsageError
from memento_app.cli.options import Option

if TYPE_CHECKING:
    from memento.narrowing import Filters

Tags = Annotated[list[str] | None, Option("--tag", "-t", metavar="TAG", help="May be given several times.")]


class Narrowing(TypedDict, total=False):
    """The filters of `memento.narrowing`, as options."""

    tags: Tags
    collection: Annotated[
        str | None, Option("--collection", metavar="NAME", help="knowledge (remembered) or episodic (ingested).")
    ]
    source: Annotated[str | None, Option("--source", metavar="NAME", help="claude-code, chatgpt, generic-jsonl, ...")]
    session: Annotated[str | None, Option("--session", metavar="ID", help="One session.")]
    project: Annotated[
        str | None, Option("--project", metavar="DIR", help="The working directory, whole or its last part.")
    ]
    role: Annotated[str | None, Option("--role", metavar="ROLE", help="user, assistant, tool or system.")]
    trust: Annotated[str | None, Option("--trust", metavar="TRUST", help="user, assistant, tool or import.")]
    since: Annotated[str | None, Option("--since", metavar="WHEN", help="From then on: 7d, 12h or a date.")]
    before: Annotated[str | None, Option("--before", metavar="WHEN", help="Before then: 7d, 12h or a date.")]
    min_importance: Annotated[
        float | None, Option("--min-importance", metavar="SHARE", min=0.0, max=1.0, help="At least this important.")
    ]


def filters(given: Narrowing) -> Filters:
    """Return those that were given."""
    found = {name: value for name, value in given.items() if value is not None}
    if project := given.get("project"):
        found["project"] = folder(project)
    return cast("Filters", found)


def folder(project: str) -> str:
    """Return the whole path of a folder that is named from here or from home (`.`, `../x`, `~/x`), others as given.

    A bare name stays: it is the last part of a path.
    """
    first = project.partition("/")[0]
    if first not in (".", "..") and not first.startswith("~"):
        return project
    try:
        return str(expand_user(project).resolve())
    except (OSError, RuntimeError) as error:  # up to Python 3.12 a link to itself raises the latter
        raise UsageError(f"--project {project} cannot be followed: {error}") from None
