"""
Events that are posted to URLs: a queue a URL, in order, tried again until delivered.
"""
