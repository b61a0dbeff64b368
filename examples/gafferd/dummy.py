#!/usr/bin/env python3
"""
Writes a line every five seconds, until it is told to end.
"""

import signal
import sys
import time

signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))

number = 0
try:
    while True:
        number += 1
        # What is not flushed is seen late: standard output is a pipe, no terminal.
        print(f"dummy: line {number}", flush=True)
        time.sleep(5)
finally:
    print("dummy: bye", flush=True)
