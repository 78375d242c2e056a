"""Health: checks of a store, each of one thing, with findings that say what to do."""

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
