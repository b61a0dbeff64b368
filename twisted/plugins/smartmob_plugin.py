# The names are given as text: importing klein here would install the reactor
# and break --reactor=.
from twisted.application.service import ServiceMaker

smartmob = ServiceMaker("smartmob", "smartmob.tap", "Keep applications running.", "smartmob")
