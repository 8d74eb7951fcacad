from collections.abc import Callable
from datetime import datetime

import pytest
from sqlmodel import Session

from portal.accounts.models import Role, RoleGrant, User

MakeUser = Callable[..., User]


@pytest.fixture
def a_user(session: Session, now: datetime) -> MakeUser:
    """A user with one role; the first one is an administrator unless another role is asked for."""

    def make(email: str = "kim@example.org", role: Role | None = Role.ADMINISTRATOR, area: str = "") -> User:
        user = User(email=email, name="Kim Probe", password_hash="x", created_at=now)
        session.add(user)
        session.flush()
        if role is not None:
            session.add(RoleGrant(user_id=user.id, role=role.value, area=area, granted_at=now))
            session.flush()
        return user

    return make
