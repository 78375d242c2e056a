"""Goose: the database of sessions, and session files of lines."""
