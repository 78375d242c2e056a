"""Looking after what is stored: what says the same, what is outdated, what becomes knowledge, what holds a secret."""
