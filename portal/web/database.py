"""The database session of a request: opened when first asked for, closed at its end. Routes commit."""

from flask import Flask, g
from sqlmodel import Session

from portal.web.current import current_portal


def current_session() -> Session:
    session: Session | None = g.get("database_session")
    if session is None:
        session = g.database_session = current_portal().store.sessions()
    return session


def install(app: Flask) -> None:
    @app.teardown_request
    def close(_error: BaseException | None) -> None:
        session: Session | None = g.pop("database_session", None)
        if session is not None:
            # What was not committed is rolled back.
            session.close()
