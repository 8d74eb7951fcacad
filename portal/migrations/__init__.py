"""Alembic's environment and the migrations; `portal.db.upgrade` runs them."""
