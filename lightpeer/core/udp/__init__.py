"""Datagrams, and both ends of one UDP stream."""
