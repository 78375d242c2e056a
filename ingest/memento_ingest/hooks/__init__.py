"""Agents' hooks: `memento hook`, what it answers, and the agents' settings that make them call it.

`entry` and `problems` run while an agent waits, as `memento_ingest.events` does: they import nothing slow.
"""
