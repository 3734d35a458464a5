"""Front ends and networks, by kind."""
