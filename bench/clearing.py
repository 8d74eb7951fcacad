"""Duration of `portal clearing check`, what it stands for, and the cost of one answer set."""

import json
import os
import subprocess
import sys
import time
from datetime import date

from bench.servers import ROOT, prepared


def main() -> None:
    from portal.clearing import load_clearing

    with prepared("harz") as env:
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "portal.web.cli", "clearing", "check"],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        print(done.stdout.strip() or done.stderr.strip(), f"({time.perf_counter() - began:.1f} s with start)")
    clearing = load_clearing(ROOT / "questionnaires")
    cases = ROOT / "questionnaires" / "cases.yaml"
    import yaml

    loaded = yaml.safe_load(cases.read_text(encoding="utf-8"))
    entries = loaded["cases"] if isinstance(loaded, dict) else loaded
    sets = [
        {k: tuple(v) if isinstance(v, list) else (v,) for k, v in case["answers"].items()} for case in entries
    ]
    today = date(2026, 11, 20)
    switches = {"ukraine_asylblg": "unknown"}
    rounds = max(1, 20_000 // max(1, len(sets)))
    began = time.perf_counter()
    for _ in range(rounds):
        for answers in sets:
            clearing.walk(answers)
            clearing.route(answers, switches=switches, today=today)
    took = time.perf_counter() - began
    work = json.dumps(sets[0])
    began = time.perf_counter()
    for _ in range(rounds * len(sets)):
        json.loads(work)
    yardstick = time.perf_counter() - began
    print(
        f"{len(sets)} cases: {took / rounds / len(sets) * 1e6:.0f} µs a path and route; {took / yardstick:.0f}x one json.loads of it"
    )


if __name__ == "__main__":
    os.environ.setdefault("PORTAL_SECRET_KEY", "bench-only-0123456789abcdef0123456789abcdef")
    main()
