"""What stands between a job and its rows: arming, the flood limit, an allowance of a person to pass it."""
