"""Channels: how people are told about incidents. One file each; `contract.py` is what they share."""
