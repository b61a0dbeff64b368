"""
A twistd with the libraries of an agent, and nothing of it: listens, and starts one program.

Its words come by the environment: BARE_PROGRAM, BARE_WORD.
"""

import os

import autobahn.twisted.websocket  # noqa: F401 - what it costs to import is what is measured
import automat  # noqa: F401
import cattrs  # noqa: F401
import klein
import treq  # noqa: F401
from twisted.application import internet, service
from twisted.internet import protocol, reactor
from twisted.web import server

app = klein.Klein()
application = service.Application("bare")
site = server.Site(app.resource())
internet.TCPServer(0, site, interface="127.0.0.1").setServiceParent(application)
words = [os.environ["BARE_PROGRAM"], os.environ["BARE_WORD"]]
reactor.callWhenRunning(reactor.spawnProcess, protocol.ProcessProtocol(), words[0], words)
