"""Cursor: the command line's transcripts, the editor's database, and text exports."""
