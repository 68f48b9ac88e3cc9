"""Rows that are written to files before they are deleted: the files, the rows, and the order in which both happen."""
