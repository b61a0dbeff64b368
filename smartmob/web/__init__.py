"""The network side of the agent: REST documents, consoles, errors."""
