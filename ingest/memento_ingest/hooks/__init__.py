"""Agents' hooks: `memento hook`, the spool it writes to, and the agents' settings that make them call it.

`entry`, `payload`, `problems` and `spool` run while an agent waits: they import nothing slow.
"""
