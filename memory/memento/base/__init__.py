"""The ground of all rooms: times, durable files, safe text, identities, worker threads."""
