"""Pages for everybody: no account, no name."""
