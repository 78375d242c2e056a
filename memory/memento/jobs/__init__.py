"""Jobs: what looks after the store every hour and every day, in the sidecar or from cron."""
