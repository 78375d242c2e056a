"""Health: what is wrong with a store, found by looking at one thing at a time, and what to do about it."""

from memento.health.examination import Check, Finding, Patient, Remedy, examine, examine_slice
from memento.health.integrity_checks import INTEGRITY
from memento.health.state_checks import STATE

__all__ = ["INTEGRITY", "STATE", "Check", "Finding", "Patient", "Remedy", "examine", "examine_slice"]
