"""Health: what is wrong with a store, found by looking at one thing at a time, and what to do about it."""

from memento.health.checks import Check, CheckContext, Finding, Remedy, run_checks, run_checks_on_slice
from memento.health.environment_checks import ENVIRONMENT_CHECKS
from memento.health.integrity_checks import INTEGRITY_CHECKS

__all__ = [
    "ENVIRONMENT_CHECKS",
    "INTEGRITY_CHECKS",
    "Check",
    "CheckContext",
    "Finding",
    "Remedy",
    "run_checks",
    "run_checks_on_slice",
]
