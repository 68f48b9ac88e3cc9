"""Executes the policy Rollup: window by window, oldest first, each with its mark in the same transaction."""
