"""The crontab that Sexton prints."""
