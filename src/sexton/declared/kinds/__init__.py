"""Kinds of policies that settings can name: one file each, with its settings, words, checks and building."""
