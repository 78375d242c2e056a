"""Jobs: maintenance of the store every hour and every day, in the sidecar or from cron."""
