"""Many databases, the same jobs in each: which there are, how they are reached, whether they are who we think."""
