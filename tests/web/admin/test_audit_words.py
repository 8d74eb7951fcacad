"""Whatever the portal writes into the log can be read there, in German and in English."""

import ast
import re
from collections.abc import Iterator
from contextvars import copy_context
from functools import cache
from itertools import product

import pytest

from portal.config import ROOT
from portal.web import current
from portal.web.admin.audit_log import action_words
from portal.web.languages import Language, load_admin_languages

ENTRY = ("service", "organization", "location")
MADE_UP: dict[str, tuple[tuple[str, ...], ...]] = {
    "portal/web/admin/lists.py: {}.{}": (("service", "organization"), ("published", "withdrawn", "archived")),
    "portal/web/admin/lists.py: {}.put_back": (("service", "organization"),),
    "portal/web/admin/duplicates.py: {}.merged": (("service", "organization"),),
    "portal/web/admin/history.py: {}.restored": (ENTRY,),
    "portal/web/admin/review.py: proposal.{}": (("accepted", "rejected"),),
    "portal/web/admin/security.py: {}_added": (),
    "portal/web/admin/security.py: {}_removed": (),
    "portal/web/admin/security.py: account.{}": (
        ("app_added", "app_removed", "passkey_added", "passkey_removed", "codes_renewed"),
    ),
    "portal/web/cli.py: {}.erased": (("service", "organization"),),
    "portal/web/admin/editing/pages.py: {}.{}": (
        ENTRY,
        ("saved", "created", "confirmed", "published", "withdrawn", "archived", "put_back", "deleted"),
    ),
}
"""Actions that the code puts together, and from what."""
_ACTION = re.compile(r"[a-z_]+\.[a-z_]+")
_NO_ACTION = re.compile(
    r"admin\.\w+|\w+\.(html|txt|csv|xlsx|xliff|zip|json|yaml|png|svg|bin|de)|public\.\w+|(shape|cost|address)\.\w+|\w+\.\w+\.\w+|portal\.\w+"
)


def _recorded() -> Iterator[tuple[str, str]]:
    """File and action: every constant that looks like one in a file that writes into the log, and what the table says
    of those that are put together."""
    for path in sorted((ROOT / "portal").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if not re.search(r"\b(audit|log)\.record\(", source):
            continue
        file = path.relative_to(ROOT).as_posix()
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if _ACTION.fullmatch(node.value) and not _NO_ACTION.fullmatch(node.value):
                    yield file, node.value
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr == "record" and isinstance(node.args[1], ast.JoinedStr):
                    yield from ((file, action) for action in _put_together(file, node.args[1]))


def _put_together(file: str, node: ast.JoinedStr) -> Iterator[str]:
    shape = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    key = f"{file}: {shape}"
    assert key in MADE_UP, f"{key} (line {node.lineno}): tell MADE_UP what it is put together from"
    yield from (shape.format(*parts) for parts in product(*MADE_UP[key]))


RECORDED = sorted({action: file for file, action in _recorded()}.items())


def test_the_search_finds_actions_of_all_kinds() -> None:
    assert {
        "sign_in.failed",
        "translation.drafted",
        "location.saved",
        "account.codes_renewed",
        "duplicates.distinct",
    } <= dict(RECORDED).keys()


@pytest.mark.parametrize(("action", "file"), RECORDED)
def test_every_action_has_words(action: str, file: str) -> None:
    german, english = (_words(action, language) for language in ("de", "en"))
    assert english != action, (
        f"{file} records {action}, and portal/web/admin/audit_log.py has no words for it"
    )
    assert all(
        ours != theirs for ours, theirs in zip(german.split(": ", 1), english.split(": ", 1), strict=True)
    ), f"no German for {english!r}"


@cache
def _language(code: str) -> Language:
    return load_admin_languages(ROOT / "translations")[code]


def _words(action: str, language: str) -> str:
    def read() -> str:
        current._language.set(_language(language))
        return action_words(action)

    return copy_context().run(read)
