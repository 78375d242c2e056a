"""What agents' hooks report: payloads, the spool that keeps them until they are stored, transcripts they name."""
