"""
Plugins: code of the operator's that runs inside the agent, and sites beside it.
"""
