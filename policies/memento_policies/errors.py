"""The root of the exception tree, and the errors of policy files.

The whole tree is drawn in `memento.errors`; its root lives here because policies import nothing else of Memento.
"""

from __future__ import annotations


class MementoError(Exception):
    """Root of every error Memento raises on purpose: its message names the thing and the remedy."""

    exit_code = 1


class PolicyError(MementoError):
    """A policy file cannot be used: the message names file, line and key."""
