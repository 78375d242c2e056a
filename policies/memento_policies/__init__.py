"""What to keep: redaction, significance, tags and importance, as pure functions of a message.

Everything is imported when it is asked for: pydantic and yaml with the policy, and with the types dataclasses, whose
import alone would cost a hook a quarter of its time.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memento_policies.decision import Decision, Reason
    from memento_policies.errors import MementoError, PolicyError
    from memento_policies.message import Kind, Message, Role
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

_HOMES = {
    "Decision": "memento_policies.decision",
    "Kind": "memento_policies.message",
    "MementoError": "memento_policies.errors",
    "Message": "memento_policies.message",
    "Policy": "memento_policies.policy",
    "PolicyError": "memento_policies.errors",
    "Reason": "memento_policies.decision",
    "Redaction": "memento_policies.redaction",
    "Role": "memento_policies.message",
    "load_policy": "memento_policies.policy",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
