"""What a role may do, and for which entries."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from portal.accounts.models import Role


class Permission(StrEnum):
    SIGN_IN = "sign_in"
    """Everybody with an active account: own account, start page."""
    SEE_CATALOGUE = "see_catalogue"
    """Lists, entries, history, quality; an editor sees only their own organization."""
    PROPOSE = "propose"
    """Change entries so that a coordinator reviews them."""
    EDIT = "edit"
    """Change, publish, archive and restore at once; decide proposals and reports."""
    TRANSLATE = "translate"
    EXCHANGE = "exchange"
    """Import and export whole lists."""
    CLEARING = "clearing"
    """See the questionnaire and the rules, reword their texts."""
    SETTINGS = "settings"
    """Of the region: colours, names, switches."""
    STATISTICS = "statistics"
    USERS = "users"
    AUDIT = "audit"
    REFERRALS = "referrals"
    SLIPS = "slips"
    """Open a hand-over slip, which has no name and no office, with its code."""
    CASE_TALKS = "case_talks"
    """Colleagues talk about an anonymous case; each talk only for those who take part."""
    TEAMS = "teams"
    """Settings and figures of teams that take referrals; a counsellor those of the own team."""
    WATCH = "watch"
    """Referrals that nobody answers: labels and times, never what somebody told."""
    REFERRAL_LOG = "referral_log"
    """Who opened which referral, for data protection."""


_EVERYBODY = {Permission.SIGN_IN}
_COORDINATOR = _EVERYBODY | {
    Permission.SEE_CATALOGUE,
    Permission.EDIT,
    Permission.TRANSLATE,
    Permission.EXCHANGE,
    Permission.CLEARING,
    Permission.STATISTICS,
    Permission.SLIPS,
    Permission.TEAMS,
    Permission.WATCH,
    Permission.REFERRAL_LOG,
}
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ADMINISTRATOR: frozenset(_COORDINATOR | {Permission.SETTINGS, Permission.USERS, Permission.AUDIT}),
    Role.COORDINATOR: frozenset(_COORDINATOR | {Permission.SETTINGS, Permission.CASE_TALKS}),
    Role.EDITOR: frozenset(_EVERYBODY | {Permission.SEE_CATALOGUE, Permission.PROPOSE}),
    Role.COUNSELLOR: frozenset(
        _EVERYBODY | {Permission.REFERRALS, Permission.SLIPS, Permission.TEAMS, Permission.CASE_TALKS}
    ),
    Role.READER: frozenset(_EVERYBODY | {Permission.STATISTICS}),
}


@dataclass(frozen=True, slots=True)
class Grant:
    role: Role
    area: str = ""
    """Prefix of the Amtlicher Gemeindeschlüssel; empty is everywhere."""
    organization_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Powers:
    """What the grants of one user allow in one region. `county` is the region's own AGS prefix."""

    grants: tuple[Grant, ...]
    county: str

    @classmethod
    def of(cls, grants: Iterable[Grant], *, county: str) -> "Powers":
        """Grants for other counties are left out."""
        return cls(tuple(grant for grant in grants if _meet(grant.area, county)), county)

    @property
    def roles(self) -> frozenset[Role]:
        return frozenset(grant.role for grant in self.grants)

    def may(self, permission: Permission) -> bool:
        return any(permission in PERMISSIONS[grant.role] for grant in self.grants)

    def may_everywhere(self, permission: Permission) -> bool:
        """In the whole county, for every organization: for what cannot be divided, as settings."""
        return any(
            permission in PERMISSIONS[grant.role]
            and grant.organization_id is None
            and self.county.startswith(grant.area)
            for grant in self.grants
        )

    def may_for(
        self, permission: Permission, *, organization_id: UUID | None, areas: Collection[str] = ()
    ) -> bool:
        """For an entry of that organization that serves those areas.

        A grant for a part of the county covers an entry only when all of its areas lie in that part.
        """
        return any(
            permission in PERMISSIONS[grant.role]
            and (grant.organization_id is None or grant.organization_id == organization_id)
            and (
                self.county.startswith(grant.area)
                or (bool(areas) and all(area.startswith(grant.area) for area in areas))
            )
            for grant in self.grants
        )

    def organizations(self, permission: Permission) -> frozenset[UUID] | None:
        """To which organizations the permission is limited; None when it is not."""
        limited = set()
        for grant in self.grants:
            if permission in PERMISSIONS[grant.role]:
                if grant.organization_id is None:
                    return None
                limited.add(grant.organization_id)
        return frozenset(limited)


def _meet(area: str, county: str) -> bool:
    return area.startswith(county) or county.startswith(area)
