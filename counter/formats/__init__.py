"""Events and calls as other programs write and read them."""
