"""Tests that may be skipped on a developer's machine and never in CI."""

import os
from collections.abc import Generator

import pytest

MARKERS = ("browser", "postgres", "container", "java")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("CI") and any(item.get_closest_marker(name) for name in MARKERS):
        reason = call.excinfo.value if call.excinfo else "no reason given"
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} is mandatory in CI and was skipped: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that skips itself as a whole has no items, and so no markers: in CI none may."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = (
            f"{collector.nodeid} was skipped as a whole, which is not allowed in CI: {report.longrepr}"
        )
    return report
