"""Pages for those who keep the catalogue: behind a sign-in, below /admin."""
