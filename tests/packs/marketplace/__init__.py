"""The marketplace pack: every requirement of PF-137 to PF-141, and what its jobs do beside other people's work."""
