"""`make check`: everything about the source that can be judged without running the tests.

Every step runs, also after one has failed; what failed is listed at the end.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
_SYSTEM_FOLDERS = [
    "bin",
    "boot",
    "dev",
    "etc",
    "home",
    "lib",
    "lib64",
    "media",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "sbin",
    "srv",
    "sys",
    "tmp",
    "usr",
    "var",
]
_SKIPPED_FOLDERS = {".git", ".venv", "data", "build", "dist", "node_modules", "__pycache__"}


@dataclass(frozen=True, slots=True)
class Step:
    """Something to check: a command, or a function that returns what is wrong, one line each."""

    name: str
    check: list[str] | Callable[[], list[str]]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    name: str
    ok: bool
    seconds: float
    output: str


def regions(content: Path = ROOT / "content") -> list[str]:
    return sorted(path.parent.name for path in content.glob("regions/*/region.yaml"))


def steps(data_dir: Path) -> list[Step]:
    """The table. `data_dir` is an empty folder; every region gets one of its own in it."""
    table = [
        Step("ruff", [str(BIN / "ruff"), "check", "--quiet", "."]),
        Step("format", [str(BIN / "ruff"), "format", "--check", "--quiet", "."]),
        Step("mypy", [str(BIN / "mypy")]),
        Step("imports", [str(BIN / "lint-imports"), "--no-cache"]),
        Step("templates", [str(BIN / "djlint"), "--lint", "--quiet", "portal/web/templates"]),
        Step(
            "translations",
            portal("translations", "check"),
            {"PORTAL_DATA_DIR": str(data_dir / "translations")},
        ),
    ]
    for region in regions():
        own = {"PORTAL_DATA_DIR": str(data_dir / region)}
        table.append(Step(f"content {region}", portal("content", "check", "--region", region), own))
        table.append(Step(f"clearing {region}", portal("clearing", "check", "--region", region), own))
    # One region shows every kind of page; what is in the files of the other one is compared above.
    pages = portal("translations", "check", "--pages", "--region", "musterkreis")
    table.append(Step("translated pages", pages, {"PORTAL_DATA_DIR": str(data_dir / "pages")}))
    return [
        *table,
        Step("lock files", lock_problems),
        Step("asset licences", licence_problems),
        Step("machine paths", machine_path_problems),
        Step("shell", lambda: tool_problems("shellcheck", [".ci/run"])),
        Step("Dockerfile", lambda: tool_problems("hadolint", ["Dockerfile"])),
    ]


def portal(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "portal.web.cli", *arguments]


def run(step: Step) -> Outcome:
    began = time.monotonic()
    if callable(step.check):
        try:
            problems = step.check()
        except Exception as error:
            problems = [f"{type(error).__name__}: {error}"]
        ok, output = not problems, "\n".join(problems)
    else:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
        try:
            finished = subprocess.run(
                step.check,
                cwd=ROOT,
                env={**inherited, **step.environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            ok, output = finished.returncode == 0, finished.stdout + finished.stderr
        except FileNotFoundError as error:
            ok, output = False, str(error)
    return Outcome(step.name, ok, time.monotonic() - began, output.rstrip())


def report(outcomes: Iterable[Outcome]) -> int:
    """Print each outcome as it comes; returns the exit code."""
    failed = []
    for outcome in outcomes:
        print(f"{'ok  ' if outcome.ok else 'FAIL'}  {outcome.name:<24} {outcome.seconds:6.1f} s", flush=True)
        if not outcome.ok:
            failed.append(outcome)
    for outcome in failed:
        print(f"\n--- {outcome.name}\n{outcome.output}")
    print(f"\nfailed: {', '.join(outcome.name for outcome in failed)}" if failed else "\nall checks passed")
    return 1 if failed else 0


def project_files(root: Path = ROOT) -> Iterator[Path]:
    """Every file that belongs to the project: what git knows or would add; without git, what is there."""
    git = shutil.which("git")
    if git and (root / ".git").exists():
        listed = subprocess.run(
            [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root,
            capture_output=True,
            check=True,
        )
        names = sorted(set(listed.stdout.decode().split("\0")) - {""})
        yield from (path for name in names if (path := root / name).is_file())
    else:
        for folder, inner, files in os.walk(root):
            inner[:] = sorted(name for name in inner if name not in _SKIPPED_FOLDERS)
            yield from (Path(folder) / name for name in sorted(files))


def texts(root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    for path in project_files(root):
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def machine_path_pattern(
    root: Path, home: Path, temporary: Path, neighbours: Iterable[Path] = ()
) -> re.Pattern[str]:
    """Absolute paths that exist only on the machine of whoever wrote them.

    The project's own folder and what lies beside it, never all that begins like it: a checkout below
    /check must not forbid the address /check of the portal.
    """
    own = {f"{home}/", f"{temporary}/"}
    own |= {f"{path}" for path in (root, *neighbours) if len(path.parts) > 2}
    alternatives = [re.escape(path) for path in sorted(own)] + [
        r"/(?:home|Users)/[A-Za-z_]",
        r"[A-Z]:\\Users\\",
    ]
    return re.compile(r"(?<![\w.}/-])(?:" + "|".join(alternatives) + ")")


def neighbours_of(root: Path) -> list[Path]:
    """What lies beside the project, unless that is a folder every machine has."""
    return [] if root.parts[1] in _SYSTEM_FOLDERS else sorted(root.parent.iterdir())


def machine_path_problems(root: Path = ROOT) -> list[str]:
    pattern = machine_path_pattern(
        root, Path.home(), Path(tempfile.gettempdir()).resolve(), neighbours_of(root)
    )
    return [
        f"{path.relative_to(root)}:{number}: names a path of this machine"
        for path, text in texts(root)
        if ".min." not in path.name
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def locked(path: Path) -> dict[str, list[str]]:
    """Distribution → its locked versions (several when they depend on the Python version).

    Raises ValueError for an entry without a hash.
    """
    versions: dict[str, list[str]] = {}
    for entry in re.sub(r"\\\n\s*", " ", path.read_text(encoding="utf-8")).splitlines():
        if not entry.strip() or entry.lstrip().startswith("#"):
            continue
        found = re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", entry)
        if found is None or "--hash=sha256:" not in entry:
            raise ValueError(
                f"{path.name}: {entry.split('--hash')[0].strip()!r} is not a pinned version with hashes"
            )
        versions.setdefault(canonicalize_name(found[1]), []).append(found[2])
    return versions


def lock_problems(root: Path = ROOT) -> list[str]:
    """What is demanded stands in the lock file, in a version that fits, with everything it needs in turn."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    runtime = project["dependencies"]
    try:
        locks = {
            "requirements.lock": (runtime, locked(root / "requirements.lock")),
            "requirements-dev.lock": (
                [*runtime, *project["optional-dependencies"]["dev"]],
                locked(root / "requirements-dev.lock"),
            ),
        }
    except ValueError as error:
        return [str(error)]
    problems = []
    for file, (wanted, versions) in locks.items():
        problems += [f"{file}: {problem}" for problem in unmet(wanted, versions)]
    _, few = locks["requirements.lock"]
    _, all_of_them = locks["requirements-dev.lock"]
    problems += [
        f"requirements-dev.lock: {name} is locked to {all_of_them.get(name)}, at run time to {few[name]}"
        for name in few
        if name != "flit-core" and few[name] != all_of_them.get(name)
    ]
    return problems


def unmet(wanted: Iterable[str], versions: dict[str, list[str]]) -> Iterator[str]:
    """Follows the requirements of what is installed here, for this platform."""
    waiting = [(Requirement(text), "pyproject.toml") for text in wanted]
    seen: set[str] = set()
    while waiting:
        requirement, demander = waiting.pop()
        name = canonicalize_name(requirement.name)
        found = versions.get(name, [])
        if not any(requirement.specifier.contains(version, prereleases=True) for version in found):
            yield f"{demander} wants {requirement}, locked is {', '.join(found) or 'nothing'}"
            continue
        key = f"{name}[{','.join(sorted(requirement.extras))}]"
        if key in seen:
            continue
        seen.add(key)
        try:
            distribution = metadata.distribution(requirement.name)
        except metadata.PackageNotFoundError:
            yield f"{name} is locked but not installed"
            continue
        if distribution.version not in found:
            yield f"{name} {distribution.version} is installed, locked is {', '.join(found)}"
        for text in distribution.requires or ():
            inner = Requirement(text)
            extras = requirement.extras or {""}
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append((inner, name))


def licence_problems(root: Path = ROOT) -> list[str]:
    """Every file taken from elsewhere has its licence beside it and a line in docs/dependencies.md."""
    listed = (root / "docs" / "dependencies.md").read_text(encoding="utf-8")
    problems = []
    vendored = sorted(root.glob("portal/web/assets/*.min.*")) + sorted(root.glob("tests/vendor/*.min.*"))
    for path in vendored:
        name = path.relative_to(root).as_posix()
        licence = path.parent / f"{path.name.split('.')[0]}.LICENSE.txt"
        if not (licence.is_file() and licence.read_text(encoding="utf-8").strip()):
            problems.append(f"{name}: no {licence.name} beside it")
        if name not in listed:
            problems.append(f"{name}: not in docs/dependencies.md")
    icons = root / "portal/web/assets/icons"
    if any(icons.glob("*.svg")) and not (icons / "LICENSE.txt").is_file():
        problems.append(f"{icons.relative_to(root)}: no LICENSE.txt beside the icons")
    if "portal/web/assets/icons/" not in listed:
        problems.append("portal/web/assets/icons/: not in docs/dependencies.md")
    for region in regions(root / "content"):
        if not (root / "content/regions" / region / "SOURCES.md").is_file():
            problems.append(f"content/regions/{region}: no SOURCES.md")
    if "EUROPEAN UNION PUBLIC LICENCE v. 1.2" not in (root / "LICENSE").read_text(encoding="utf-8"):
        problems.append("LICENSE: not the text of the EUPL 1.2")
    return problems


def tool_problems(tool: str, files: list[str]) -> list[str]:
    """A linter that is not a Python package of ours: used where it is installed, demanded in CI."""
    found = shutil.which(tool, path=f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    if found is None:
        return [f"{tool} is not installed (.ci/run installs it)"] if os.environ.get("CI") else []
    finished = subprocess.run([found, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    return [] if finished.returncode == 0 else (finished.stdout + finished.stderr).splitlines()


def main() -> int:
    with (
        tempfile.TemporaryDirectory(prefix="anlauf-check-") as folder,
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
    ):
        return report(pool.map(run, steps(Path(folder))))


if __name__ == "__main__":
    sys.exit(main())
