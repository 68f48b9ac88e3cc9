"""One file a reference page: what it reads from the code, and the Markdown it makes of it."""
