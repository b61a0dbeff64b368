"""
The way of a line: from the bytes of a program to those of its readers.

No HTTP in here: readers are whatever provides L{smartmob.lines.readers.IReader}.
"""
