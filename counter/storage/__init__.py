"""Files and folders, here and by URL: found, read, written whole or not at all."""
