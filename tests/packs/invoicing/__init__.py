"""Jobs of the invoicing pack."""
