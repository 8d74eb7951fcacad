"""What the last test run found about access, as the accessibility statement says it.

`make accessibility` writes `tested.json`; nobody writes it by hand.
"""

from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

FILE = Path(__file__).with_name("tested.json")
Name = Literal["rules", "keyboard", "reflow", "reading_order", "html"]
NAMES: tuple[Name, ...] = get_args(Name)


class Outcome(BaseModel):
    """One kind of test. `views`: pages and states that were looked at, each language and scheme by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    tool: str = Field(min_length=1)
    """The program and its version."""
    views: int = Field(gt=0)
    languages: tuple[str, ...] = Field(min_length=1)
    findings: tuple[str, ...]
    """What is still open, one line each, as the program says it (English)."""


class Run(BaseModel):
    """The whole run. `changed`: the files differed from the commit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str
    at: AwareDatetime
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    changed: bool
    tests: tuple[Outcome, ...]

    @property
    def findings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(finding for test in self.tests for finding in test.findings))

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(code for test in self.tests for code in test.languages))

    @property
    def views(self) -> int:
        return sum(test.views for test in self.tests)


@lru_cache(maxsize=1)
def last_run() -> Run:
    return read(FILE)


def read(path: Path) -> Run:
    """Raises ValidationError, and OSError when there is no such file."""
    return Run.model_validate_json(path.read_bytes())


def write(path: Path, run: Run) -> None:
    path.write_text(run.model_dump_json(indent=1) + "\n", encoding="utf-8")
