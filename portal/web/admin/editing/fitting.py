"""Which topics, contact kinds and target groups an offer may have, from its name and description."""

from collections import defaultdict

from portal.catalogue.search.index import SearchRequest
from portal.catalogue.search.query import understand
from portal.web.current import current_portal

FIELDS = ("topics", "contact_kinds", "target_groups")
MOST = 4
NEIGHBOURS = 8
"""So many offers with like words are asked what they have."""
ENOUGH = 1.0
"""Weight from which something is proposed: one of the nearest offers alone is not enough."""


def proposed(name: str, description: str, *, slug: str) -> dict[str, list[str]]:
    """Field → codes, the most fitting first. What the words mean counts, and what similar offers have."""
    words = f"{name}. {description}".strip(" .")
    if len(words) < 5:
        return {field: [] for field in FIELDS}
    weights: dict[str, defaultdict[str, float]] = {field: defaultdict(float) for field in FIELDS}
    search, catalogue = current_portal().search, current_portal().catalogue
    understood = understand(words, "de", search.concepts)
    for match in understood.concepts:
        for code in match.concept.topics:
            weights["topics"][code] += match.strength
        for code in match.concept.kinds[:1]:
            weights["contact_kinds"][code] += match.strength
    results = search.search(
        SearchRequest(text=words, age_from_text=False, place_from_text=False, limit=NEIGHBOURS + 1)
    )
    near = [service for hit in results.hits if hit.slug != slug and (service := catalogue.service(hit.slug))]
    for rank, service in enumerate(near[:NEIGHBOURS]):
        for field in FIELDS:
            for code in getattr(service, field):
                weights[field][code] += 1 / (1 + rank / 2)
    return {
        field: sorted(
            (code for code, weight in found.items() if weight >= ENOUGH), key=lambda code: -found[code]
        )[:MOST]
        for field, found in weights.items()
    }
