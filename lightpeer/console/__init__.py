"""What both commands share: output, text that strangers wrote, errors as sentences, signals."""
