"""
The clock process of the example: says the time, each second.
"""

import time

while True:
    # To the next full second, so that it neither drifts nor skips one.  A sleep may
    # be over a little before it, so the second is the nearest one.
    time.sleep(1 - time.time() % 1)
    print(time.strftime("%H:%M:%S", time.localtime(round(time.time()))), flush=True)
