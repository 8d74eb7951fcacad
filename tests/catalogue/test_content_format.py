"""The page about the content format knows every field and every fixed value."""

import re
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import pytest

from portal.catalogue import records
from portal.catalogue.vocabulary import TERM_FIELDS

PAGE = (Path(records.__file__).parents[2] / "docs" / "content-format.md").read_text(encoding="utf-8")
MODELS = [
    value
    for value in vars(records).values()
    if isinstance(value, type) and issubclass(value, records.Record) and value is not records.Record
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_is_explained(model: type[records.Record]) -> None:
    missing = [name for name in model.model_fields if not re.search(rf"`{name}[`:]|\b{name}\b.*yaml", PAGE)]
    assert missing == []


def fixed_values(annotation: Any) -> set[str]:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return {str(member.value) for member in annotation}
    found = {value for value in get_args(annotation) if isinstance(value, str)}
    for inner in get_args(annotation):
        if not isinstance(inner, str):
            found |= fixed_values(inner)
    return found


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_fixed_value_is_explained(model: type[records.Record]) -> None:
    for name, field in model.model_fields.items():
        for value in fixed_values(field.annotation):
            assert re.search(rf"`\"?{value}\"?`", PAGE), f"{name}: {value}"


def test_every_vocabulary_field_belongs_to_services() -> None:
    assert set(TERM_FIELDS) <= set(records.ServiceRecord.model_fields)
