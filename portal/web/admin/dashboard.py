"""What needs me today."""

from flask import Blueprint, Response

from portal.accounts import forms
from portal.accounts.permissions import Permission
from portal.web.admin.guard import me, needs
from portal.web.admin.rendering import render
from portal.web.database import current_session


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/", "dashboard", dashboard)


@needs(Permission.SIGN_IN)
def dashboard() -> Response:
    return render("admin/dashboard.html", user=me(), kept=forms.all_kept(current_session(), me().user.id))
