"""Questionnaire and routing: a few answers in, one first contact out.

Pure: no database, no clock, no language. German source texts are the message ids of the
gettext domain "questionnaire"; whoever shows them translates them.
"""

from portal.clearing.clearing import Clearing, load_clearing
from portal.clearing.flow import Answers, Path, Step
from portal.clearing.routing import Outcome
from portal.clearing.schema import (
    KINDS,
    ClearingError,
    Need,
    Option,
    Question,
    Said,
    SourceText,
    WhyNot,
)

__all__ = [
    "KINDS",
    "Answers",
    "Clearing",
    "ClearingError",
    "Need",
    "Option",
    "Outcome",
    "Path",
    "Question",
    "Said",
    "SourceText",
    "Step",
    "WhyNot",
    "load_clearing",
]
