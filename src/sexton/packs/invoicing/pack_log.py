"""The logger of the pack. No token, key or secret is ever given to it."""

import logging

INVOICING_LOG = logging.getLogger("sexton.invoicing")
