"""All SQL of Memento: the database file, its schema, and the statements on it, one module per table's concern."""
