"""Packs that ship with Sexton, one folder a product. Each uses only what `from sexton import …` offers."""
