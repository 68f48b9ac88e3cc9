"""What a job is and when it is due: pure values, no database, no clock of their own."""
