"""Whom to believe: keys and ids, seals, records, and bodies checked before they are parsed."""
