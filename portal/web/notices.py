""" "There is something for you", in words: by mail, and by one connector for SMS and messengers.

Whoever looks over a shoulder learns that there is a message, and from the link at which portal. Nothing else is said.
"""

import hashlib
import hmac
import json
import logging
import smtplib
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from portal.config import Settings
from portal.db import SessionFactory
from portal.referral import notices
from portal.referral.models import Channel, Notice
from portal.referral.notices import Receiver, Unreachable
from portal.web import mail
from portal.web.current import current_portal
from portal.web.languages import GERMAN, Language, load_admin_languages, unmarked
from portal.web.texts import N_

log = logging.getLogger("portal.web")

TIMEOUT_SECONDS = 10
CANNOT_REACH = frozenset({404, 410, 422})
"""What the connector answers for an address that it will never reach: the next channel is tried."""
ALREADY_THERE = 409
SOMEBODY = "somebody@example.invalid"
"""Stands for the young person where mails go into a folder, in which nothing is erased."""

SUBJECT = N_("A message for you")
TO_PERSON = N_("There is something new for you. You open it with your code:")
NOT_FOR_YOU = N_("This is not for you? Then please delete it.")


def working_channels(settings: Settings) -> frozenset[Channel]:
    """By which a young person can be told of something here."""
    found = set()
    # Without a server mails are printed and kept in a folder: no place for a young person's address.
    if settings.smtp_host or not settings.production:
        found.add(Channel.MAIL)
    if settings.message_webhook_url and settings.message_webhook_secret:
        found |= {Channel.SMS, Channel.MESSENGER}
    return frozenset(found)


class NoAddress(Exception):
    """PORTAL_BASE_URL is missing in production: links would lead nowhere. Notices wait."""


class MailSender(Protocol):
    def send(self, *, recipient: str, subject: str, body: str, message_id: str) -> None: ...


class NoticeSender:
    """Words a notice in the receiver's language and hands it to the mail server or to the connector."""

    def __init__(
        self,
        settings: Settings,
        sessions: SessionFactory,
        languages: Mapping[str, Language],
        *,
        mails: MailSender | None = None,
    ) -> None:
        """Raises NoAddress."""
        if settings.production and not settings.base_url:
            raise NoAddress
        self._settings = settings
        self._sessions = sessions
        self._languages = languages
        self._professional: Mapping[str, Language] | None = None
        self._mails = mails or mail.sender(settings)

    def send(self, receiver: Receiver, about: str, *, id_: UUID) -> None:
        """Raises Unreachable; OSError or SMTPException when it cannot now."""
        if receiver.to_person and receiver.channel not in working_channels(self._settings):
            raise Unreachable
        if receiver.channel is Channel.MAIL:
            self._mail(receiver, about, id_)
        else:
            self._connector(receiver, id_)

    def _mail(self, receiver: Receiver, about: str, id_: UUID) -> None:
        settings = self._settings
        recipient = receiver.address
        if receiver.to_person and not settings.smtp_host:
            recipient = SOMEBODY
        subject, body = (
            self._to_person(receiver) if receiver.to_person else self._letter(receiver, about, id_)
        )
        try:
            self._mails.send(recipient=recipient, subject=subject, body=body, message_id=str(id_))
        except ValueError:  # no address that a mail can be sent to
            raise Unreachable from None
        except smtplib.SMTPRecipientsRefused as refused:
            if all(code >= 500 for code, _reason in refused.recipients.values()):
                raise Unreachable from None
            raise

    def _to_person(self, receiver: Receiver) -> tuple[str, str]:
        say = self._gettext(self._languages, receiver.language)
        paragraphs = (say(TO_PERSON), self._link_of(receiver), say(NOT_FOR_YOU))
        return say(SUBJECT), "\n\n".join(paragraphs) + "\n"

    def _letter(self, receiver: Receiver, about: str, id_: UUID) -> tuple[str, str]:
        from portal.web.admin.notice_words import subject_and_sentence

        if self._professional is None:
            self._professional = load_admin_languages(self._settings.translations_dir)
        say = self._gettext(self._professional, receiver.language)
        subject, sentence = subject_and_sentence(about)
        path = "/admin/referrals"
        if about.startswith("case_talk."):
            path = "/admin/case-talks"
        elif self._to_coordinators(id_):
            path = "/admin/referrals/watch"
        return say(subject), f"{say(sentence)}\n\n{self._address(path)}\n"

    def _to_coordinators(self, id_: UUID) -> bool:
        with self._sessions() as session:
            notice = session.get(Notice, id_)
            return notice is not None and notice.organization_id is None

    def _connector(self, receiver: Receiver, id_: UUID) -> None:
        settings = self._settings
        say = self._gettext(self._languages, receiver.language)
        post(
            settings.message_webhook_url,
            settings.message_webhook_secret,
            {
                "id": str(id_),
                "channel": receiver.channel.value,
                "to": receiver.address,
                "text": f"{say(TO_PERSON)} {self._link_of(receiver)}",
                "language": receiver.language,
            },
        )

    def _link_of(self, receiver: Receiver) -> str:
        language = receiver.language if receiver.language in self._languages else GERMAN
        return self._address(f"/{language}/mine")

    def _address(self, path: str) -> str:
        from portal.web.admin.letters import LOCAL

        return (self._settings.base_url or LOCAL) + path

    @staticmethod
    def _gettext(languages: Mapping[str, Language], code: str) -> Callable[[str], str]:
        """German where the region no longer speaks that language."""
        messages = (languages.get(code) or languages[GERMAN]).messages
        return lambda msgid: unmarked(messages.gettext(msgid))


class ConnectorRefused(OSError):
    """The connector answered, but did not take it. Says the status, never what was sent."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An address goes where the setting says, and nowhere else."""

    def redirect_request(self, *_arguments: Any, **_named: Any) -> None:
        return None


def post(url: str, secret: str, message: Mapping[str, str]) -> None:
    """Hand a message to the connector (contract: docs/operating.md).

    Raises Unreachable when it says that it cannot reach this address, OSError when it does not take it now.
    """
    body = json.dumps(message, ensure_ascii=False).encode()
    timestamp = str(int(time.time()))
    request = urllib.request.Request(  # noqa: S310 (the operator's own address)
        url,
        data=body,
        method="POST",
        headers={
            "Content-Type": "application/json; charset=utf-8",
            "Idempotency-Key": message["id"],
            "X-Portal-Timestamp": timestamp,
            "X-Portal-Signature": signature(secret, timestamp, body),
            "User-Agent": "Anlauf",
        },
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS):
            return
    except urllib.error.HTTPError as error:
        with error:
            status = error.code
    if status in CANNOT_REACH:
        raise Unreachable
    if status != ALREADY_THERE:
        raise ConnectorRefused(f"the connector answered {status}")


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Of the moment and the body together: an old message cannot be sent again under a new moment."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


# -- after a commit ----------------------------------------------------------------------------------------------------


class _OneAtATime:
    """Runs a piece of work in the background; asked again meanwhile, once more afterwards."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = self._again = False
        """What is written while a run is on its way may have come too late for it."""

    def run_soon(self, work: Callable[[], object]) -> None:
        with self._lock:
            if self._running:
                self._again = True
                return
            self._running = True

        def run() -> None:
            while True:
                try:
                    work()
                except Exception as error:  # the next call or cron tries again
                    # By type only: its text could hold an address.
                    log.warning("notices could not be sent: %s", type(error).__name__)
                with self._lock:
                    if not self._again:
                        self._running = False
                        return
                    self._again = False

        try:
            mail.in_background(run)
        except RuntimeError:  # no more threads
            with self._lock:
                self._running = self._again = False
            log.warning("notices wait for the next run: no thread could be started")


_soon: WeakKeyDictionary[Engine, _OneAtATime] = WeakKeyDictionary()


def notify_soon() -> None:
    """To be called after a commit: nobody waits for the mail server, and nothing that fails there fails the page.

    What could not be sent stays in the outbox; `portal referrals run` sends it later.
    """
    portal = current_portal()
    if portal.referrals is None:
        return
    keyring, sessions, settings, languages, now = (
        portal.referrals.keyring,
        portal.store.sessions,
        portal.settings,
        portal.languages,
        portal.now,
    )
    _soon.setdefault(portal.store.engine, _OneAtATime()).run_soon(
        lambda: notices.deliver(sessions, keyring, NoticeSender(settings, sessions, languages), now=now)
    )
