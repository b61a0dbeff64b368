"""
C{listing_circus.py ENDPOINT WATCHER SECONDS}: asks a circusd for the processes of a watcher, as
often as it answers in that time, with its own client.  Prints a JSON document: C{answers},
C{seconds}, and the C{processes} of the last answer.
"""

import json
import sys
from time import monotonic

from circus.client import CircusClient  # type: ignore[import-not-found] # the peer has it


def main() -> None:
    """
    As the command line has it.
    """
    endpoint, watcher, seconds = *sys.argv[1:3], float(sys.argv[3])
    client = CircusClient(endpoint=endpoint, timeout=30)
    answers, processes = 0, 0
    began = monotonic()
    while monotonic() < began + seconds:
        answer = client.call({"command": "list", "properties": {"name": watcher}})
        processes = len(answer["pids"])
        answers += 1
    took = monotonic() - began
    json.dump({"answers": answers, "seconds": took, "processes": processes}, sys.stdout)


main()
