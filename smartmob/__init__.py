"""
smartmob: send applications to a machine over the network and keep them running.
"""

from smartmob.plugins.plugin import Plugin

__all__ = ["Plugin", "__version__"]

__version__ = "0.1.0"
