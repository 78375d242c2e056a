"""The sidecar: `memento watch`, which follows every source live and embeds what it captured."""
