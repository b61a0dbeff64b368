#!/usr/bin/env python3
"""
Answers each line of its standard input with that line, until there are no more.
"""

import sys

print("echo: ready", flush=True)
for line in sys.stdin.buffer:
    sys.stdout.buffer.write(b"echo: " + line)
    sys.stdout.buffer.flush()
