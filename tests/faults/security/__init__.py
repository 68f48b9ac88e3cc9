"""What an attacker may try from where he stands: SEC-1 to SEC-26 of the review of 29 November 2026."""
