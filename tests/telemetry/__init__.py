"""Logs, metrics, health, alerts."""
