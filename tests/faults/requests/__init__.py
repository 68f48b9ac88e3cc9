"""Jobs on demand whose processes are killed, hang, or lose their database."""
