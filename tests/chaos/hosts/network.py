"""Machines made of network namespaces: hosts on a network of their own, which can be cut off and joined again."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

from rollq.tasks.tracking.runs.process import exists

LAUNCHER = Path(__file__).with_name("launcher.py")
HUB = "hub"
BRIDGE = "net"
BRIDGE_ADDRESS = "02:00:00:00:00:01"  # set, because else it would change with the ports
PREFIX = "rollq"


class Cut(StrEnum):
    """How a host is cut off."""

    SILENT = "silent"  # every packet vanishes: sockets hang, nobody is told
    UNPLUGGED = "unplugged"  # its link goes down


class Network:
    """A hub with a bridge and some hosts, each a network namespace; the caller's own machine is connected too.

    Everything is removed at the end of the block, and what an earlier run left behind that was killed, at its start.
    """

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts
        self._subnet = ""

    def __enter__(self) -> Network:
        """Make the namespaces.

        Raises:
            CalledProcessError: the kernel or the rights do not allow it.
        """
        _remove_leftovers()
        self._subnet = _free_subnet()
        try:
            for host in (HUB, *self.hosts):
                _ip("netns", "add", namespace(host))
                _ip("link", "set", "lo", "up", at=host)
            self._connect()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove them; the cables between them go with them."""
        self.remove()

    def remove(self) -> None:
        """Remove every namespace of this network, and the caller's cable."""
        _ip("link", "del", "dev", _cable(), check=False)
        for host in (HUB, *self.hosts):
            _ip("netns", "del", namespace(host), check=False)

    def address(self, host: str) -> str:
        """IPv4 address of a host."""
        return f"{self._subnet}.{(HUB, *self.hosts).index(host) + 1}"

    def cut_off(self, host: str, how: Cut) -> None:
        """Nothing reaches ``host`` any more, and nothing comes from it."""
        if how is Cut.UNPLUGGED:
            _ip("link", "set", "dev", host, "down", at=HUB)
        else:
            _ip("link", "set", "dev", host, "nomaster", at=HUB)

    def join(self, host: str) -> None:
        """Connect ``host`` again."""
        _plug(host)

    def command(self, host: str, folder: Path, *command: str) -> list[str]:
        """``command`` run on ``host``, in ``folder``."""
        return ["ip", "netns", "exec", namespace(host), sys.executable, str(LAUNCHER), host, str(folder), *command]

    def _connect(self) -> None:
        _ip("link", "add", "dev", BRIDGE, "address", BRIDGE_ADDRESS, "type", "bridge", at=HUB)
        _ip("address", "add", f"{self.address(HUB)}/24", "dev", BRIDGE, at=HUB)
        _ip("link", "set", BRIDGE, "up", at=HUB)
        for host in self.hosts:
            _ip("link", "add", "dev", host, "type", "veth", "peer", "name", "eth0", "netns", namespace(host), at=HUB)
            _ip("address", "add", f"{self.address(host)}/24", "dev", "eth0", at=host)
            _ip("link", "set", "eth0", "up", at=host)
            _plug(host)
        self._connect_caller()
        keep = ("neighbour", "replace", "nud", "permanent")  # else a failing search for neighbours ends the silence
        for host in self.hosts:
            _ip(*keep, self.address(HUB), "lladdr", BRIDGE_ADDRESS, "dev", "eth0", at=host)
            ethernet = _ip("-brief", "link", "show", "dev", "eth0", at=host).split()[2]
            _ip(*keep, self.address(host), "lladdr", ethernet, "dev", BRIDGE, at=HUB)

    def _connect_caller(self) -> None:
        """A cable to the namespace of this process."""
        mine = _cable()
        _ip("link", "add", "caller", "netns", namespace(HUB), "type", "veth", "peer", "name", mine)
        _ip("address", "add", f"{self._subnet}.254/24", "dev", mine)
        _ip("link", "set", mine, "up")
        _plug("caller")


def namespace(host: str) -> str:
    """The name of a host's network namespace; it holds the id of this process, so that runs do not meet."""
    return f"{PREFIX}-{os.getpid()}-{host}"


def _cable() -> str:
    return f"{PREFIX}{os.getpid()}"


def why_not() -> str:
    """Why there can be no network here; empty if there can."""
    if sys.platform != "linux":
        return "network namespaces are a thing of Linux"
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = namespace("probe")
    try:
        _ip("netns", "add", name)
        _ip("netns", "del", name)
    except FileNotFoundError:
        return "iproute2 is not installed"
    except subprocess.CalledProcessError as error:
        return f"network namespaces are not allowed here: {error.stderr.decode().strip()}"
    return ""


def _plug(port: str) -> None:
    _ip("link", "set", "dev", port, "master", BRIDGE, at=HUB)
    _ip("link", "set", "dev", port, "up", at=HUB)


def _ip(*arguments: str, at: str | None = None, check: bool = True) -> str:
    where = ["-n", namespace(at)] if at else []
    done = subprocess.run(["ip", *where, *arguments], check=check, capture_output=True)
    return done.stdout.decode()


def _free_subnet() -> str:
    """The first three bytes of a network that this machine does not use; 198.18/15 is kept for tests by RFC 2544."""
    used = _ip("-4", "-brief", "address", "show")
    free = [f"198.18.{number}" for number in range(1, 255) if f"198.18.{number}." not in used]
    return random.choice(free)


def _remove_leftovers() -> None:
    for line in _ip("netns", "list").splitlines():
        name = line.split()[0]
        prefix, _, rest = name.partition("-")
        pid = rest.partition("-")[0]
        if prefix == PREFIX and pid.isdigit() and not exists(int(pid)):
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip("netns", "del", name)
