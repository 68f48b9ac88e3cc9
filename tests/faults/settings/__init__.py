"""What a user can get wrong, and what a changed setting must show."""
