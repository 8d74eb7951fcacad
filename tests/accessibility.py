"""What the tests of access looked at and found, kept for the accessibility statement.

Every such test runs inside `recorded(…)`. Loaded as a plugin (`pytest -p tests.accessibility`, which is what
`make accessibility` does) the sum is written to `portal/web/tested.json` at the end, findings and all; a run in which
one kind of test is missing writes nothing.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from portal.web.tested import FILE, NAMES, Name, Outcome, Run, write

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "make accessibility"
LANGUAGES = ("de", "de-simple", "ar", "uk")
"""Latin, easy, right to left, Cyrillic."""
ORDER = (*LANGUAGES, "en")


@dataclass
class Look:
    """One test, looking at pages. `at` counts a view and keeps what is wrong with it."""

    views: int = 0
    findings: list[str] = field(default_factory=list)

    def at(self, address: str, findings: list[str] | None = None) -> None:
        self.views += 1
        self.findings += [f"{address}: {finding}" for finding in findings or ()]


@dataclass
class _Sum:
    views: int = 0
    languages: set[str] = field(default_factory=set)
    findings: list[str] = field(default_factory=list)


_sums: dict[Name, _Sum] = {}


@contextmanager
def recorded(name: Name, language: str) -> Iterator[Look]:
    """Collect what a test finds; fails with all of it at the end, so that one look names everything."""
    look = Look()
    try:
        yield look
    except Exception as error:
        # A test that could not go on to its end is a finding as well.
        look.findings.append(f"{language}: {(str(error).strip() or repr(error)).splitlines()[0][:300]}")
        raise
    finally:
        total = _sums.setdefault(name, _Sum())
        total.views += look.views
        total.languages.add(language)
        total.findings += look.findings
    assert not look.findings, "\n".join(look.findings)


def tools(browser: str) -> dict[Name, str]:
    chromium = f"Chromium {browser.split('.')[0]}"
    return {
        "rules": f"axe-core {axe_version()}, {chromium}",
        "keyboard": chromium,
        "reflow": chromium,
        "reading_order": chromium,
        "html": f"Nu Html Checker {nu_version()}",
    }


def axe_version() -> str:
    head = (ROOT / "tests/vendor/axe.min.js").read_text(encoding="utf-8")[:300]
    found = re.search(r"axe v([\d.]+)", head)
    assert found, "the version stands in the first line of axe.min.js"
    return found[1]


def nu_version() -> str:
    lock = json.loads((ROOT / ".ci/nu/package-lock.json").read_text(encoding="utf-8"))
    return str(lock["packages"]["node_modules/vnu-jar"]["version"])


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Only when this module is loaded as a plugin."""
    from tests.journeys.conftest import browser_version

    missing = [name for name in NAMES if not _sums.get(name, _Sum()).views]
    if missing:
        print(f"\n{FILE.name} was not written: nothing was tested of {', '.join(missing)}")
        session.exitstatus = 1
        return
    names = tools(browser_version())
    # The file itself is made after the commit it speaks of.
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", f":!{FILE.relative_to(ROOT)}")
    tests = [
        Outcome(
            name=name,
            tool=names[name],
            views=_sums[name].views,
            languages=tuple(sorted(_sums[name].languages, key=ORDER.index)),
            findings=tuple(sorted(set(_sums[name].findings))),
        )
        for name in NAMES
    ]
    run = Run(
        command=COMMAND,
        at=datetime.now(UTC).replace(microsecond=0),
        commit=_git("rev-parse", "HEAD"),
        changed=bool(changed),
        tests=tuple(tests),
    )
    write(FILE, run)
    print(f"\n{FILE.relative_to(ROOT)}: {run.views} views, {len(run.findings)} findings")
