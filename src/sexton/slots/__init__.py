"""Who may run what, and when: schedules, what is due, claims, leases, the run table. Runs nothing itself."""
