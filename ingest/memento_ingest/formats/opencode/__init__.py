"""opencode: the database, and the folder of JSON files before it."""
