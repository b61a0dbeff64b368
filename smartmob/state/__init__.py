"""
What outlives the agent: which processes there are, whether they are to run, and what
is told of them.
"""
