"""The manual. Its reference pages are made from the code by `generate.py`."""
