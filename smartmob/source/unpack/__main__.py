"""
The way in to the unpacker.  It is compiled anew at each start, so it is short.
"""

import sys

if __name__ == "__main__":
    # Started with -I and -S, nothing else says where this package is.  Behind the
    # library's own places, so that it can't shadow them.
    sys.path.append(__file__.rsplit("/", 4)[0])

    from smartmob.source.unpack.program import main

    sys.exit(main(sys.argv[1:]))
