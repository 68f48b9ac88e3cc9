"""What tests lean on: databases, servers, a proxy that breaks things, a check for leaks."""
