"""
What smartmob promises about speed, measured beside its peers: see README.rst.
"""
