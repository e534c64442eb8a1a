"""Cores against whatever may come: Hypothesis looks for the sequence that breaks them."""
