"""Restore: a damaged store heals itself by rebuilding derived data, from its backups, and from its sources."""
