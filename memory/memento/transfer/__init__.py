"""A store as lines of JSON, to be read by anything and merged into any other store."""
