"""Messages of the outbox on their way: routes, fan-out, delivery under a claim, and the end of a message."""
