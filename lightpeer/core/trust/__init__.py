"""Proof of who sent what: keys and ids, seals, records, and message bodies checked before parsing."""
