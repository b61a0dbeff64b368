"""
Launching programs so that nothing of them is left behind.

The agent has one helper, the guardian; the guardian has one reaper a program.
See L{smartmob.launch.interfaces} for what the rest of smartmob sees of it.
"""
