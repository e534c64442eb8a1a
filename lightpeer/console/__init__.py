"""Shared by both commands: output, text that strangers wrote, errors as sentences, signals."""
