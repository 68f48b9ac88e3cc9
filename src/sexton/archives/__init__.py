"""Archive files in their folder: written once, sealed, read as what they have to be. No database is asked here."""
