"""Sources: download, verify, unpack, and the releases that come of it."""
