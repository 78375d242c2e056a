"""What to keep: redaction, significance, tags and importance, as pure functions of a message."""

from memento_policies.decision import Decision, Reason
from memento_policies.errors import MementoError, PolicyError
from memento_policies.message import Kind, Message, Role

__all__ = ["Decision", "Kind", "MementoError", "Message", "PolicyError", "Reason", "Role"]
