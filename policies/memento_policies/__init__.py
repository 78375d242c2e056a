"""What to keep: redaction, significance, tags and importance, as pure functions of a message.

The types are imported eagerly; the policy itself (and with it pydantic, yaml and re2) only when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from memento_policies.decision import Decision, Reason
from memento_policies.errors import MementoError, PolicyError
from memento_policies.message import Kind, Message, Role

if TYPE_CHECKING:
    from memento_policies.policy import Policy, load_policy
    from memento_policies.redaction import Redaction

__all__ = [
    "Decision",
    "Kind",
    "MementoError",
    "Message",
    "Policy",
    "PolicyError",
    "Reason",
    "Redaction",
    "Role",
    "load_policy",
]

_LAZY = {
    "Policy": "memento_policies.policy",
    "Redaction": "memento_policies.redaction",
    "load_policy": "memento_policies.policy",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
