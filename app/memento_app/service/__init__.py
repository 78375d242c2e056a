"""`memento service`: the sidecar under the user's service manager, and its log.

A service is one file of the manager's own kind (systemd unit, launchd agent, scheduled task) that starts `memento
watch`. No command needs root, and nothing is installed for other users.
"""
