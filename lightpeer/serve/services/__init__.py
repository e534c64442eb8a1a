"""The loudp2p services: each opens a request's seal, answers, and seals the reply."""
