"""Settings of training: their defaults and ranges, a class for each kind."""
