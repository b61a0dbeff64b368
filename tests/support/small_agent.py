"""
The smallest agent there can be: it starts programs through a guardian, and sleeps.

Run as C{python -I -S small_agent.py ROOT} with the order of each program as a line
of hexadecimal digits on its stdin, ROOT being where C{smartmob} is.  Needs nothing
but the standard library, so that any user can run it with any Python.

It says C{guardian PID}, then of each program what its reaper says, words with
blanks between them, and what the program says, each behind the program's number;
and obeys lines C{NUMBER WORD...} on its stdin, which go to that program's reaper.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from array import array

if __name__ == "__main__":  # else a test wants to know where this is
    sys.path.append(sys.argv[1])

from smartmob.launch.helper import packet_pair, start_guardian
from smartmob.launch.wire import unpack


def main() -> None:
    """
    Start, relay, until somebody kills us.
    """
    helper = start_guardian((1024, 1024))
    print("guardian", helper.pid, flush=True)
    controls: list[socket.socket] = []
    outputs: dict[int, int] = {}
    number = 0
    listen = select.poll()
    listen.register(0, select.POLLIN)
    while True:
        for descriptor, _ in listen.poll():
            if descriptor == 0:
                line = os.read(0, 1 << 20).decode()
                if not line:
                    listen.unregister(0)
                for words in map(str.split, line.splitlines()):
                    if len(words) == 1:
                        control, stdout = start(helper.connection, bytes.fromhex(words[0]))
                        outputs[control.fileno()] = outputs[stdout] = number
                        number += 1
                        controls.append(control)
                        listen.register(control.fileno(), select.POLLIN)
                        listen.register(stdout, select.POLLIN)
                    else:
                        controls[int(words[0])].send("\0".join(words[1:]).encode())
                continue
            data = os.read(descriptor, 65536)
            if not data:
                listen.unregister(descriptor)
            said = " ".join(word.decode() for word in unpack(data)).strip()
            print(outputs[descriptor], said or "end", flush=True)


def start(guardian: socket.socket, order: bytes) -> tuple[socket.socket, int]:
    """
    @return: Control, and the program's output.
    """
    ours, theirs = packet_pair()
    output, its_output = os.pipe()
    rights = array("i", (theirs.fileno(), its_output, its_output))
    guardian.sendmsg([order], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    theirs.close()
    os.close(its_output)
    return ours, output


if __name__ == "__main__":
    main()
