"""Which entries of a list somebody may act on, as a condition for the database."""

from uuid import UUID

from sqlalchemy import ColumnElement

from portal.accounts.permissions import PERMISSIONS, Permission
from portal.catalogue import reviewing
from portal.web.admin.guard import me


def services_for(permission: Permission) -> list[ColumnElement[bool]]:
    """Conditions on `Service`: those for which the user has the permission. Empty is no limit."""
    powers = me().powers
    if powers.may_everywhere(permission):
        return []
    reaches = {
        (grant.organization_id, "" if powers.county.startswith(grant.area) else grant.area)
        for grant in powers.grants
        if permission in PERMISSIONS[grant.role]
    }
    return [reviewing.within(reaches)]


def organizations_for(permission: Permission) -> list[UUID] | None:
    """Organizations to which the permission is limited; None when it is not."""
    limited = me().powers.organizations(permission)
    return None if limited is None else sorted(limited)
