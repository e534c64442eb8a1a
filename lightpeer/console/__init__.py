"""What both commands share: output, errors as sentences, signals."""
