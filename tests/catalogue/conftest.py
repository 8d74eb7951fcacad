import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from portal.catalogue.loading import RegionContent, read_region

TINY = Path(__file__).parent / "content"


class ContentFolder:
    """A copy of the tiny region "tal" that a test may break."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.region = path / "regions" / "tal"

    def edit(self, file: str, change: Callable[[Any], None]) -> None:
        """`file` is relative to the region's folder, or begins with `taxonomies/`."""
        path = self.path / file if file.startswith("taxonomies/") else self.region / file
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
        change(data)
        path.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), encoding="utf-8")

    def entry(self, file: str, slug: str, **values: Any) -> None:
        """Set fields of one entry; None removes the field."""
        section = {
            "places.yaml": "places",
            "organizations.yaml": "organizations",
            "locations.yaml": "locations",
        }

        def change(data: Any) -> None:
            (found,) = (entry for entry in data[section.get(file, "services")] if entry["slug"] == slug)
            for name, value in values.items():
                if value is None:
                    found.pop(name, None)
                else:
                    found[name] = value

        self.edit(file, change)

    def drop(self, file: str, slug: str) -> None:
        section = {"organizations.yaml": "organizations", "locations.yaml": "locations"}.get(file, "services")

        def change(data: Any) -> None:
            data[section] = [entry for entry in data[section] if entry["slug"] != slug]

        self.edit(file, change)

    def read(self) -> RegionContent:
        return read_region(self.path, "tal")


@pytest.fixture
def content(tmp_path: Path) -> ContentFolder:
    shutil.copytree(TINY, tmp_path / "content")
    return ContentFolder(tmp_path / "content")
