"""Ingestion: reading what agents wrote, live or in bulk, into a store."""
