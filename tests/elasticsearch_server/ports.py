"""Ports for a node, kept for as long as it may want to listen on them."""

import socket
import sys


class Port:
    """A free port of loopback, chosen by the system.

    On Linux the socket stays bound, without listening: others get no hold of the port, a restarted
    node finds it free, connections to a stopped one are refused; and the node may bind to it too,
    since both sides set SO_REUSEADDR. Elsewhere that would collide, and the port is only chosen.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]
        if not sys.platform.startswith("linux"):
            self.release()

    def release(self) -> None:
        """Give the port back to the system."""
        self._socket.close()
