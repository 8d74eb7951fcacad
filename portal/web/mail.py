"""Sending mail: through SMTP, or into a folder and onto the console where no server is set."""

import re
import smtplib
import ssl
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from pathlib import Path

from portal.accounts import outbox
from portal.config import Settings

TIMEOUT_SECONDS = 15


def message(settings: Settings, *, recipient: str, subject: str, body: str, message_id: str) -> EmailMessage:
    """Plain text, marked as automatic so that absence notes do not answer (RFC 3834)."""
    mail = EmailMessage()
    mail["From"] = settings.mail_from
    mail["To"] = recipient
    mail["Subject"] = subject
    mail["Date"] = formatdate(localtime=False)
    domain = parseaddr(settings.mail_from)[1].rpartition("@")[2] or "localhost"
    mail["Message-ID"] = f"<{message_id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(body)
    return mail


class SmtpSender:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, *, recipient: str, subject: str, body: str, message_id: str) -> None:
        settings = self._settings
        mail = message(settings, recipient=recipient, subject=subject, body=body, message_id=message_id)
        context = ssl.create_default_context()
        server: smtplib.SMTP
        if settings.smtp_security == "tls":
            server = smtplib.SMTP_SSL(
                settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_SECONDS)
        with server:
            if settings.smtp_security == "starttls":
                server.starttls(context=context)
            if settings.smtp_user:
                server.login(settings.smtp_user, settings.smtp_password)
            server.send_message(mail)


class FolderSender:
    """For trying things out: one file per mail in `data_dir/mail`, and the text on the console."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder: Path = settings.data_dir / "mail"

    def send(self, *, recipient: str, subject: str, body: str, message_id: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        mail = message(self._settings, recipient=recipient, subject=subject, body=body, message_id=message_id)
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{re.sub(r'[^a-z0-9]+', '-', subject.lower())[:40]}-{message_id[:8]}"
        path = self._folder / f"{name}.eml"
        path.touch(mode=0o600)
        path.write_bytes(mail.as_bytes())
        print(f"\n--- Mail to {recipient}: {subject}\n{body}\n--- {path}", file=sys.stderr, flush=True)


def sender(settings: Settings) -> outbox.Sender:
    return SmtpSender(settings) if settings.smtp_host else FolderSender(settings)


def in_background(work: Callable[[], object]) -> None:
    threading.Thread(target=work, name="mail", daemon=True).start()
