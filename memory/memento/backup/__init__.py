"""Backups: taken from the live store in one step, proven by reading them back, kept for as long as the settings say."""

from memento.backup.archive import Manifest
from memento.backup.creation import create
from memento.backup.directory import Backup, BackupDirectory
from memento.backup.verification import prove, unpack

__all__ = ["Backup", "BackupDirectory", "Manifest", "create", "prove", "unpack"]
