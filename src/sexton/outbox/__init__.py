"""Facts on record and messages about them, written in the transaction that changes the rows."""
