"""Restoring: a damaged store mends itself from what is derived, from its backups, and from its sources."""
