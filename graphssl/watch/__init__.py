"""A page that follows a run while it trains: a server on this machine only, which reads the run folder. Never imports torch."""
