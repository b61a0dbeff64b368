"""
A soak: an agent with many programs, used for half an hour in every way it can be, and whether
it has grown since it was warm.
"""
