"""
smartmob: send applications to a machine over the network and keep them running.
"""

__version__ = "0.1.0"
