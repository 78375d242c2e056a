"""Cline and Roo: one conversation a folder."""
