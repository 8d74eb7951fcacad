"""The mails we write, from templates in `templates/mail/`: the first line is the subject.

Letters are queued in the transaction of the change they tell of, and sent after its commit.
"""

import html
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from sqlmodel import Session, col

from portal.accounts import outbox
from portal.accounts.models import Letter, User
from portal.accounts.tokens import token_hash
from portal.config import Settings
from portal.db import SessionFactory
from portal.web import mail
from portal.web.languages import load_admin_languages
from portal.web.rendering import Renderer
from portal.web.wiring import Store

LOCAL = "http://localhost:8000"
"""What links begin with when no public address is set; a name, because passkeys do not work with a number."""
LOCKED_FOR = timedelta(minutes=15)


class Letters:
    def __init__(
        self,
        settings: Settings,
        sessions: SessionFactory,
        renderer: Renderer,
        names: Callable[[], dict[str, str]],
        now: Callable[[], datetime],
    ) -> None:
        """`names` gives `portal_name` and `region_name` for the templates."""
        self._settings = settings
        self._sessions = sessions
        self._renderer = renderer
        self._names = names
        self._now = now

    def text(self, template: str, language: str, **context: Any) -> tuple[str, str]:
        """Subject and body."""
        page = self._renderer.page(language, f"mail/{template}.txt", {**self._names(), **context})
        subject, _, body = html.unescape(page).strip().partition("\n")
        # The renderer squeezes white space; in a mail every line of a template is a paragraph.
        return subject.strip(), "\n\n".join(line for line in body.splitlines() if line.strip()) + "\n"

    def address(self, path: str) -> str:
        return (self._settings.base_url or LOCAL) + path

    def write(
        self,
        session: Session,
        template: str,
        *,
        key: str,
        recipient: str,
        language: str,
        now: datetime,
        **context: Any,
    ) -> bool:
        """Queue a letter; False when one with this key was written before."""
        subject, body = self.text(template, language, **context)
        return outbox.write(session, key=key, recipient=recipient, subject=subject, body=body, now=now)

    def invitation_link(self, token: str) -> str:
        return self.address(f"/admin/invitation/{token}")

    def reset_link(self, token: str) -> str:
        return self.address(f"/admin/reset/{token}")

    def invite(self, session: Session, user: User, token: str, *, now: datetime) -> None:
        self.write(
            session,
            "invitation",
            key=f"invitation:{token_hash(token)[:32]}",
            recipient=user.email,
            language=user.language,
            now=now,
            name=user.name,
            link=self.invitation_link(token),
        )

    def reset(self, session: Session, user: User, token: str, *, now: datetime) -> None:
        self.write(
            session,
            "reset",
            key=f"reset:{token_hash(token)[:32]}",
            recipient=user.email,
            language=user.language,
            now=now,
            name=user.name,
            link=self.reset_link(token),
        )

    def changed(
        self,
        session: Session,
        user: User,
        what: str,
        *,
        now: datetime,
        recipient: str = "",
        **context: Any,
    ) -> None:
        """Tell somebody that the way into their account has changed, in case it was not them. `what`: see the template
        `account_changed`. `recipient` when it is another than the user's present address."""
        self.write(
            session,
            "account_changed",
            key=f"changed:{uuid4()}",
            recipient=recipient or user.email,
            language=user.language,
            now=now,
            name=user.name,
            what=what,
            link=self.address("/admin/account"),
            **{"left": 0, "email": user.email, **context},
        )

    def lockout(self, session: Session, user: User, *, now: datetime, password_known: bool) -> bool:
        """Once in each lockout; False when it was written already."""
        about = f"lockout:{user.id}:"
        known = session.execute(
            select(col(Letter.id)).where(
                col(Letter.key).startswith(about), col(Letter.written_at) > now - LOCKED_FOR
            )
        ).first()
        if known is not None:
            return False
        return self.write(
            session,
            "lockout",
            key=f"{about}{now.timestamp():.0f}",
            recipient=user.email,
            language=user.language,
            now=now,
            name=user.name,
            password_known=password_known,
            link=self.address("/admin/forgotten"),
        )

    def deliver(self) -> tuple[int, int]:
        """Send what is due now; returns (sent, failed)."""
        return outbox.deliver(self._sessions, mail.sender(self._settings), now=self._now)

    def deliver_soon(self) -> None:
        """To be called after the commit: nobody waits for the mail server. What fails, cron sends later."""
        mail.in_background(self.deliver)


def command_letters(settings: Settings, store: Store) -> Letters:
    """For commands, which have no application. Compiles the catalogues when that was never done."""
    from portal.web.languages import compile_catalogues

    compile_catalogues(settings.translations_dir)
    renderer = Renderer(load_admin_languages(settings.translations_dir).values(), styles={}, names={})

    def names() -> dict[str, str]:
        region = store.catalogue.region
        return {"portal_name": region.portal_name, "region_name": region.name}

    return Letters(settings, store.sessions, renderer, names, lambda: datetime.now(UTC))
