"""The catalogue of offers: HSDS tables, loading, reading, matching and search."""
