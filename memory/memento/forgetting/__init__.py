"""Forgetting: erase memories from rows, derived data, journal, spool and backups, and verify that they are gone."""
