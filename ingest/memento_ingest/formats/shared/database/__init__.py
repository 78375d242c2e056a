"""Reading agents' SQLite databases: which rows are new or were replaced since the last reading."""
