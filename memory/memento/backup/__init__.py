"""Backups: copied from the live store in one step, verified by reading them back, kept according to the settings."""

from memento.backup.archive import Manifest
from memento.backup.creation import create
from memento.backup.directory import Backup, BackupDirectory
from memento.backup.verification import prove, unpack

__all__ = ["Backup", "BackupDirectory", "Manifest", "create", "prove", "unpack"]
