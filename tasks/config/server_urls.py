"""URLs of servers: which are known, which are on this machine, which hold a password."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from rollq.tasks.errors import SettingsError

BROKER = ("redis", "rediss", "unix")
SAME = {  # other names for the same
    "valkey": "redis",
    "valkeys": "rediss",
    "redis+socket": "unix",
    "redis+unix": "unix",
    "valkey+socket": "unix",
    "valkey+unix": "unix",
}
STORE = ("mongodb", "mongodb+srv")
SCHEMES = {"redis_url": BROKER, "mongo_uri": STORE}


def plain_broker_url(url: str) -> str:
    """A URL of the broker as redis-py takes it."""
    scheme, colon, rest = url.partition("://")
    found = SAME.get(scheme.lower(), scheme.lower()) + colon + rest
    # kombu and redis-py have different words for the database of a socket.
    return found.replace("virtual_host=", "db=") if found.startswith("unix") else found


def check_server(name: str, url: str, place: str, allow_insecure: bool) -> None:
    """Refuse a URL that cannot be one, and a server on another machine that is open to everyone.

    Args:
        name: of the setting.
        place: where it was given.

    Raises:
        SettingsError: it says which.
    """
    try:
        parts = urlsplit(url)
        hosts = _hosts(parts)
    except ValueError as error:
        raise SettingsError(f"Setting {name!r} ({place}): it is no URL: {error}.", "Correct it.") from None
    if parts.scheme not in SCHEMES[name]:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES[name])
        raise SettingsError(f"Setting {name!r} ({place}): it is no URL of that server.", f"It begins with {known}.")
    if not allow_insecure and not all(map(_is_here, hosts)) and not _has_password(parts):
        raise SettingsError(
            f"Setting {name!r} ({place}) names a server on another machine without a password.",
            "Put user:password@ into the URL, or set ROLLQ_ALLOW_INSECURE=true for a network that you trust.",
        )


def _hosts(parts: SplitResult) -> list[str]:
    """The hosts of a URL, which may name several; a ValueError if a port is none."""
    if parts.scheme == "unix":
        return []
    if parts.scheme == "mongodb+srv":  # the hosts are found by name
        return [f"srv.{parts.netloc}"]
    found = []
    for member in parts.netloc.rpartition("@")[2].split(","):
        if member.lower().startswith("%2f"):  # a socket
            continue
        one = urlsplit(f"//{member}")
        if one.port is not None and not one.port:
            raise ValueError("a port is 1 to 65535")
        found.append(one.hostname or "localhost")
    return found


def _is_here(host: str) -> bool:
    if host.rstrip(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    # `::ffff:127.0.0.1` is loopback, too, which Python says of the mapped address only.
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified


def _has_password(parts: SplitResult) -> bool:
    login, at, _ = parts.netloc.rpartition("@")
    query = {name.lower(): values for name, values in parse_qs(parts.query).items()}
    if "authmechanism" in query or query.get("password"):  # certificates and tickets need no password
        return True
    return bool(at) and bool(unquote(login.partition(":")[2]))
