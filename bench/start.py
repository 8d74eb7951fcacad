"""Start-up time and memory per worker, against a bare Flask under the same gunicorn, in turn.

Two workers, forked from a process that has loaded the application, as `portal serve` does.
"""

import statistics
import subprocess
import sys
from pathlib import Path

from bench.servers import BARE, PORTAL, ROOT, free_port, prepared, wait_for

ROUNDS = 5


def measure(app: str, env: dict[str, str]) -> tuple[float, float]:
    """Seconds from the start to the first answer, and the worker's proportional memory in MB after it."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        app,
        "--bind",
        f"127.0.0.1:{port}",
        "--workers",
        "2",
        "--preload",
        "--log-level",
        "error",
    ]
    process = subprocess.Popen(command, cwd=ROOT, env=env)
    try:
        seconds = wait_for(f"http://127.0.0.1:{port}/healthz", process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return seconds, statistics.mean(pss(pid) for pid in children)
    finally:
        process.terminate()
        process.wait(20)


def pss(pid: str) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    with prepared("harz") as env:
        found = {
            name: [measure(app, env) for _ in range(1)] for name, app in (("bare", BARE), ("portal", PORTAL))
        }
        for _ in range(ROUNDS):
            for name, app in (("bare", BARE), ("portal", PORTAL)):
                found[name].append(measure(app, env))
    times = {name: statistics.median(t for t, _m in values[1:]) for name, values in found.items()}
    memory = {name: statistics.median(m for _t, m in values[1:]) for name, values in found.items()}
    print(f"{'':8} {'start s':>8} {'worker MB (PSS)':>16}")
    for name in found:
        print(f"{name:8} {times[name]:8.2f} {memory[name]:16.1f}")
    print(
        f"{'ratio':8} {times['portal'] / times['bare']:8.1f} {memory['portal'] / memory['bare']:16.1f}   goals: 4.0 and 3.0"
    )


if __name__ == "__main__":
    main()
