"""Guided referral: a human at the right office is announced and gets back to the person, and nobody is lost.

No Flask here: pages hand over `session`, `now` and the texts that were shown.
"""
