"""The local HTTP server of the sidecar: a Unix socket, and loopback TCP for those who ask for it."""
