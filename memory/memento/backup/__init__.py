"""Backups: taken from the live store in one step, proven by reading them back, kept for as long as the settings say."""

from memento.backup.archive import Manifest
from memento.backup.proof import prove, unpack
from memento.backup.shelf import Backup, Shelf
from memento.backup.taking import take

__all__ = ["Backup", "Manifest", "Shelf", "prove", "take", "unpack"]
