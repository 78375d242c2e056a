"""Transcript formats: what they are (`base`), their table (`registry`), and one module for each."""
