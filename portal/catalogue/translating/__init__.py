"""Texts in other languages: what is missing, outdated or checked, saving, exchange with offices, machine drafts."""
