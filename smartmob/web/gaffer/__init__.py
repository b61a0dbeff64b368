"""
gafferd's HTTP interface, as its documentation of version 0.4 describes it: the same
processes as those of the REST interface, by other names.
"""
