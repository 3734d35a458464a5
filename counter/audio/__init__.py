"""Sound files: opened, decoded, mixed down and resampled, in one pass and in bounded memory."""
