"""Many databases, the same jobs in each: who belongs to the fleet, how they are reached, whether they are who we think."""
