"""`make check` itself: that it finds what it is for, goes on after a failure, and ends with the right code."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import check
from tests.check import Outcome, Step

HASH = "--hash=sha256:" + "0" * 64


def test_every_region_that_ships_is_checked(tmp_path):
    names = [step.name for step in check.steps(tmp_path)]
    assert len(names) == len(set(names))
    shipped = [path.parent.name for path in check.ROOT.glob("content/regions/*/region.yaml")]
    assert {"harz", "musterkreis"} <= set(shipped)
    for region in shipped:
        assert {f"content {region}", f"clearing {region}"} <= set(names)


def test_no_two_steps_write_into_the_same_folder_at_once(tmp_path):
    writing = [step for step in check.steps(tmp_path) if step.name.startswith("clearing ")]
    assert len({step.environment["PORTAL_DATA_DIR"] for step in writing}) == len(writing)


def test_a_command_is_judged_by_its_exit_code_and_its_output_is_kept():
    good = check.run(Step("good", [sys.executable, "-c", "print('fine')"]))
    bad = check.run(
        Step("bad", [sys.executable, "-c", "import sys; print('why', file=sys.stderr); sys.exit(3)"])
    )
    assert (good.ok, good.output) == (True, "fine")
    assert (bad.ok, bad.output) == (False, "why")


def test_a_command_that_is_not_there_and_a_check_that_breaks_are_failures_not_crashes():
    def broken() -> list[str]:
        raise KeyError("x")

    assert not check.run(Step("gone", ["/nonexistent/program"])).ok
    outcome = check.run(Step("broken", broken))
    assert not outcome.ok
    assert "KeyError" in outcome.output


def test_settings_of_the_shell_do_not_reach_the_steps(monkeypatch):
    monkeypatch.setenv("PORTAL_REGION", "from-the-shell")
    asks = [
        sys.executable,
        "-c",
        "import os; print(os.environ.get('PORTAL_REGION'), os.environ['PORTAL_DATA_DIR'])",
    ]
    assert check.run(Step("asks", asks, {"PORTAL_DATA_DIR": "here"})).output == "None here"


def test_the_report_goes_on_after_a_failure_and_lists_it_at_the_end(capsys):
    code = check.report([Outcome("first", False, 1.0, "the reason"), Outcome("second", True, 2.0, "unseen")])
    printed = capsys.readouterr().out
    assert code == 1
    assert printed.index("second") < printed.index("the reason") < printed.index("failed: first")
    assert "unseen" not in printed
    assert check.report([Outcome("only", True, 0.1, "")]) == 0


# Paths of a machine


def pattern(root: str = "/builds/anlauf"):
    beside = [Path(root).parent / "other"] if root.startswith("/builds") else []
    return check.machine_path_pattern(Path(root), Path("/var/lib/somebody"), Path("/scratch"), beside)


@pytest.mark.parametrize(
    "line",
    [
        "see /builds/anlauf/portal",
        'open("/builds/other/notes.md")',
        "cd /var/lib/somebody/project",
        "wrote /scratch/out.txt",
        "/" + "home/maria/anlauf",
        "/" + "Users/maria/anlauf",
        "C:" + "\\Users\\maria",
    ],
)
def test_a_path_of_a_machine_is_found(line):
    assert pattern().search(line)


@pytest.mark.parametrize(
    "line",
    [
        "tmpfs: /scratch",
        "/usr/bin/chromium",
        "/var/lib/postgresql/data",
        "https://example.org/builds/anlauf",
        "content/builds/x",
        "PORTAL_DATA_DIR=/data",
        "the home/away question",
    ],
)
def test_a_path_of_every_machine_is_no_finding(line):
    assert not pattern().search(line)


def test_a_checkout_in_a_system_folder_does_not_forbid_the_whole_folder():
    assert not pattern("/srv/anlauf").search("WorkingDirectory=/srv/other")
    assert pattern("/srv/anlauf").search("/srv/anlauf/portal")


@pytest.mark.parametrize("root", ["/check/builds/main", "/check"])
def test_a_checkout_below_a_folder_named_like_an_address_does_not_forbid_the_address(root):
    """Such a checkout once turned the whole run red over "/<lang:lang>/check/<question_id>"."""
    assert not pattern(root).search('browser.wait_for_url("/check/age")')
    assert not pattern(root).search('bp.add_url_rule(f"/{lang}/check")')


def test_neighbours_are_only_looked_at_where_the_folder_is_somebodys_own(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "_SYSTEM_FOLDERS", [])
    (tmp_path / "main").mkdir()
    (tmp_path / "notes").mkdir()
    assert check.neighbours_of(tmp_path / "main") == [tmp_path / "main", tmp_path / "notes"]
    monkeypatch.setattr(check, "_SYSTEM_FOLDERS", [tmp_path.parts[1]])
    assert check.neighbours_of(tmp_path / "main") == []


def test_without_git_the_files_themselves_are_read(tmp_path):
    (tmp_path / "portal").mkdir()
    (tmp_path / "portal" / "a.py").write_text(f"x = '{tmp_path}'\n", encoding="utf-8")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "b.py").write_text(f"x = '{tmp_path}'\n", encoding="utf-8")
    assert check.machine_path_problems(tmp_path) == ["portal/a.py:1: names a path of this machine"]


# Lock files


def lock(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_lock_file_is_read_with_its_hashes_comments_and_markers(tmp_path):
    text = (
        f'# by hand\na==1.0 \\\n    {HASH} \\\n    {HASH}\nB_c==2 ; python_version < "3.12" \\\n    {HASH}\n'
    )
    assert check.locked(lock(tmp_path, text)) == {"a": ["1.0"], "b-c": ["2"]}


@pytest.mark.parametrize("entry", ["a==1.0", "a>=1.0 " + HASH, "a @ https://example.org/a.whl " + HASH])
def test_an_entry_without_version_or_hash_is_refused(tmp_path, entry):
    with pytest.raises(ValueError, match="pinned"):
        check.locked(lock(tmp_path, entry + "\n"))


def test_what_the_lock_lacks_is_named_with_who_wants_it():
    versions = {"pytest": ["9.2.0"]}
    assert any(problem.startswith("pytest wants pluggy") for problem in check.unmet(["pytest"], versions))
    (problem,) = check.unmet(["pytest>=10"], versions)
    assert problem == "pyproject.toml wants pytest>=10, locked is 9.2.0"
    assert list(check.unmet(["nothing-like-this"], {})) == [
        "pyproject.toml wants nothing-like-this, locked is nothing"
    ]


def test_another_version_installed_than_locked_is_named():
    assert any(
        "is installed, locked is 1.0" in problem
        for problem in check.unmet(["iniconfig"], {"iniconfig": ["1.0"]})
    )


def test_the_shipped_lock_files_hold():
    assert check.lock_problems() == []


# Licences


def test_the_shipped_assets_have_their_licences():
    assert check.licence_problems() == []


def test_a_file_from_elsewhere_without_licence_is_found(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "dependencies.md").write_text("", encoding="utf-8")
    (tmp_path / "LICENSE").write_text("MIT", encoding="utf-8")
    assets = tmp_path / "portal" / "web" / "assets"
    (assets / "icons").mkdir(parents=True)
    (assets / "thing.min.js").write_text("", encoding="utf-8")
    (assets / "icons" / "door.svg").write_text("<svg/>", encoding="utf-8")
    found = "\n".join(check.licence_problems(tmp_path))
    for wanted in (
        "no thing.LICENSE.txt",
        "thing.min.js: not in docs",
        "icons: no LICENSE.txt",
        "LICENSE: not the text",
    ):
        assert wanted in found


# Tools that are not Python packages of ours


def test_a_missing_tool_is_forgiven_here_and_not_in_ci(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    assert check.tool_problems("no-such-linter", ["Dockerfile"]) == []
    monkeypatch.setenv("CI", "true")
    assert check.tool_problems("no-such-linter", ["Dockerfile"]) == [
        "no-such-linter is not installed (.ci/run installs it)"
    ]


# Mandatory tests (tests/mandatory.py)

INNER = """
import pytest
from tests.mandatory import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401
"""


@pytest.mark.parametrize(("ci", "passed", "skipped", "failed"), [("true", 1, 1, 2), ("", 1, 3, 0)])
def test_in_ci_a_skipped_mandatory_test_is_a_failure(tmp_path, ci, passed, skipped, failed):
    (tmp_path / "conftest.py").write_text(INNER, encoding="utf-8")
    (tmp_path / "test_inner.py").write_text(
        "import pytest\n"
        "@pytest.mark.browser\n"
        "def test_skips(): pytest.skip('no browser')\n"
        "@pytest.mark.postgres\n"
        "@pytest.mark.skipif(True, reason='no server')\n"
        "def test_is_skipped(): pass\n"
        "def test_may_skip(): pytest.skip('not today')\n"
        "def test_runs(): pass\n",
        encoding="utf-8",
    )
    assert inner_run(tmp_path, ci) == (passed, skipped, failed)


@pytest.mark.parametrize(("ci", "errors"), [("true", 1), ("", 0)])
def test_in_ci_a_module_may_not_skip_itself(tmp_path, ci, errors):
    (tmp_path / "conftest.py").write_text(INNER, encoding="utf-8")
    (tmp_path / "test_inner.py").write_text(
        "import pytest\npytest.importorskip('no_such_module')\n", encoding="utf-8"
    )
    assert inner_run(tmp_path, ci)[2] == errors


def inner_run(folder: Path, ci: str) -> tuple[int, int, int]:
    """Passed, skipped, and failed or in error, in a pytest run of its own in `folder`."""
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(check.ROOT / "pyproject.toml"),
         "--rootdir", str(folder), str(folder)],
        env={**os.environ, "CI": ci, "PYTHONPATH": str(check.ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    last = finished.stdout.strip().splitlines()[-1]
    counts = {word.removesuffix("s"): int(number) for number, word in re.findall(r"(\d+) (\w+)", last)}
    return counts.get("passed", 0), counts.get("skipped", 0), counts.get("failed", 0) + counts.get("error", 0)
