"""Export and import: a store as JSON lines, readable by any program and mergeable into any store."""
