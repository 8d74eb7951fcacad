"""Anlauf: a clearing portal with guided referral for young people between school and work."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from portal.config import Settings

__version__ = "0.1.0"


def create_app(settings: "Settings | None" = None) -> "Flask":
    """The WSGI application. Without `settings` they are read from the environment.

    Raises SettingsError, or NotPrepared when the database, translations or content are not there yet.
    """
    import os

    from portal.config import Settings
    from portal.web.application import build

    return build(settings or Settings.from_environment(os.environ))
