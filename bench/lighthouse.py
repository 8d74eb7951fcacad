"""Lighthouse on a simulated slow phone: `make lighthouse`.

Lighthouse comes from npm, pinned in `.ci/lighthouse/`; the browser is Debian's Chromium. Not part of CI: a loaded machine
would make the figures of speed its own. What they should be stands in `docs/accessibility.md`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.pages import ways_of
from bench.servers import PORTAL, prepared, server

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / ".ci/lighthouse/node_modules/lighthouse/cli/index.js"
PAGES = ("start", "question", "result", "search", "offer")
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
PRIVATE = ("question", "result")
"""Made of somebody's answers, so no search engine may keep them (`noindex`). Lighthouse takes points off for that; here
its audit `is-crawlable` is left out, and what is left has to be complete."""
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
ENOUGH = 100


def audit(url: str, cookie: str, *, private: bool) -> dict[str, Any]:
    """The report of one page."""
    with tempfile.TemporaryDirectory(prefix="anlauf-lighthouse-") as folder:
        out = Path(folder) / "report.json"
        command = [
            "node", str(PROGRAM), url, "--quiet", "--output=json", f"--output-path={out}",
            f"--only-categories={','.join(CATEGORIES)}", f"--chrome-flags={FLAGS}",
        ]  # fmt: skip
        if private:
            command.append("--skip-audits=is-crawlable")
        if cookie:
            command.append(f"--extra-headers={json.dumps({'Cookie': cookie})}")
        chromium = shutil.which("chromium") or "/usr/bin/chromium"
        environment = {**os.environ, "CHROME_PATH": chromium, "HOME": folder}
        subprocess.run(command, check=True, env=environment, timeout=300)
        report: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        if report["finalDisplayedUrl"] != url:
            raise RuntimeError(f"{url} led to {report['finalDisplayedUrl']}")
        return report


def scores(report: dict[str, Any]) -> dict[str, int]:
    return {name: round(100 * (report["categories"][name]["score"] or 0)) for name in CATEGORIES}


def faults(report: dict[str, Any]) -> list[str]:
    """Audits that cost points."""
    lines = []
    for name in CATEGORIES:
        for reference in report["categories"][name]["auditRefs"]:
            found = report["audits"][reference["id"]]
            if reference["weight"] and found["score"] is not None and found["score"] < 1:
                lines.append(
                    f"{name}: {found['id']}: {found['title']} {found.get('displayValue', '')}".rstrip()
                )
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--region", default="harz")
    parser.add_argument("--place", default="Wernigerode")
    parser.add_argument("--lang", default="de")
    parser.add_argument("--rounds", type=int, default=3, help="the middle one counts (default: 3)")
    options = parser.parse_args()
    if not PROGRAM.is_file() or not shutil.which("node"):
        print(
            "Lighthouse is not there: npm ci --prefix .ci/lighthouse --ignore-scripts (Debian package: npm)"
        )
        return 2
    low = False
    with prepared(options.region) as environment, server(PORTAL, environment) as (portal, _):
        ways = ways_of(portal, options.lang, options.place)
        print(f"{'page':10}" + "".join(f"{name:>16}" for name in CATEGORIES))
        for page in PAGES:
            path, cookie = ways[page]
            reports = sorted(
                (audit(portal + path, cookie, private=page in PRIVATE) for _ in range(options.rounds)),
                key=lambda report: scores(report)["performance"],
            )
            middle = reports[len(reports) // 2]
            reached = scores(middle)
            print(f"{page:10}" + "".join(f"{reached[name]:16}" for name in CATEGORIES), flush=True)
            if min(reached.values()) < ENOUGH:
                low = True
                print("\n".join(f"           {line}" for line in faults(middle)))
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
