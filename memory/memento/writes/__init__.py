"""From a decision to a row: the gate that every row passes, the row itself, and the journal of direct writes."""
