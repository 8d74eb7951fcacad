"""Areas and distances."""

from math import asin, cos, radians, sin, sqrt

_EARTH_RADIUS_KM = 6371.0088


def covers(area: str, place: str) -> bool:
    """Whether the area, a prefix of the Amtlicher Gemeindeschlüssel, contains `place`; "" is the nation."""
    return place.startswith(area)


def distance_km(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """As the crow flies (haversine)."""
    phi1, phi2 = radians(lat1), radians(lat2)
    half = sin((phi2 - phi1) / 2) ** 2 + cos(phi1) * cos(phi2) * sin(radians(lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_RADIUS_KM * asin(min(1.0, sqrt(half)))
