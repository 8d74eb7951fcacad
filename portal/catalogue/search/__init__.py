"""Finding offers: text analysis, concepts, and one protocol in front of the search engines."""
