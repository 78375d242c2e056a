"""Gemini CLI: transcripts of lines and of one document."""
