"""
Lines of programs on their way to files, to syslog and to Fluentd.
"""
