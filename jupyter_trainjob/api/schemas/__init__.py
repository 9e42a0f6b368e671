"""Schemas of the kinds: generated CRDs, built-in types, decoding and validation."""
