"""All admin addresses in one blueprint."""

from flask import Blueprint

from portal.web.admin import dashboard, signing_in

MODULES = (dashboard, signing_in)


def blueprint() -> Blueprint:
    bp = Blueprint("admin", __name__)
    for module in MODULES:
        module.register(bp)
    return bp
