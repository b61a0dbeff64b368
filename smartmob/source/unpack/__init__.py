"""
The unpacker: a program of its own, which needs nothing but Python's library.

It is the one place where bytes of strangers meet a parser, so it runs apart from
the agent, bounded in memory, time and bytes, and can be killed at any moment.

No library does it: C{tarfile}'s C{data} filter has written outside its folder
(CVE-2025-4517) and bounds nothing.  Here every name is opened relative to an open
folder, never following a link, never opening what exists; links are made last.

Before it reads a byte it gives away what it does not need (L{confinement
<smartmob.source.unpack.confinement>}): the network, other programs, the rest of the disk.

C{python -I -S .../unpack/__main__.py ARCHIVE FOLDER BYTES ENTRIES FREE PERCENT [UID GID]}
says how it went in one line of JSON on stdout.  C{FREE} bytes of the disk, or C{PERCENT}
of it where that is less, stay free.  With a user, who is to have what is unpacked, a child
that has become that user does it.
"""
