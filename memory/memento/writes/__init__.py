"""Writes: the gate that every row passes, the row made from a decision, and the journal of direct writes."""
