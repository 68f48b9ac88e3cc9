"""Channels against real servers on this machine."""
