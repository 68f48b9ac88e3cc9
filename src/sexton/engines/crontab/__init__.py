"""A crontab for the jobs of an application, for cron, busybox crond and cPanel."""
