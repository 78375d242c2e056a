"""Forgetting: out of the rows, everything derived, the journal, the spool and the backups, and proven to be."""
