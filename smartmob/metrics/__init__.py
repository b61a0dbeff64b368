"""
Numbers for those who watch an agent: which there are (L{smartmob.metrics.catalogue}), where
they come from (L{smartmob.metrics.readings}), and how Prometheus wants them
(L{smartmob.metrics.exposition}).

What is counted is counted where it happens; here it is read, when somebody asks.
"""
