"""The wiring: settings, packs, jobs of a product."""
