"""A TCP proxy on loopback whose connections a test can cut, refuse, or let fall silent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Final

_CHUNK: Final = 1 << 16


class TcpProxy:
    """Forwards connections to a port of 127.0.0.1, until told otherwise."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._refuses = False
        self._silent: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, name="tcp-proxy", daemon=True).start()

    def refuse(self) -> None:
        """Close all connections, and new ones at once."""
        self._refuses = True
        self.cut()

    def accept(self) -> None:
        """Forward new connections again."""
        self._refuses = False

    def cut(self) -> None:
        """Close all connections."""
        with self._lock:
            for end in self._open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def silence(self) -> int:
        """Keep today's connections open, but drop their bytes; return their number. New ones are forwarded."""
        with self._lock:
            self._silent |= self._open
            return len(self._open) // 2

    def close(self) -> None:
        self._listener.close()
        self.refuse()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refuses:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if source not in self._silent:
                    sink.sendall(chunk)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open.discard(source)
            self._silent.discard(source)
        source.close()


@contextlib.contextmanager
def proxy_to(port: int) -> Iterator[TcpProxy]:
    """Yield a proxy to a port, which ends with the context."""
    proxy = TcpProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
