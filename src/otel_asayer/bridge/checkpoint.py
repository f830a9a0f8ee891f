"""Where a bridge was: a small file in the spool's folder, one for each destination and slice.

It is a shortcut. Without it, a bridge begins at the lateness before now, and writes again what is
there already, which changes nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from otel_asayer.spool import Destination, SpoolError, spool_root
from otel_asayer.spool.directory import find_folder, make_folder
from otel_asayer.spool.names import temporary_name

if TYPE_CHECKING:
    from pathlib import Path

    from otel_asayer.bridge.queries import Slice
    from otel_asayer.config import Config

__all__ = ["Checkpoint"]

_FOLDER: Final = "bridge"
_MOST_BYTES: Final = 4096
_LAST_NS: Final = (1 << 63) - 1


class Checkpoint:
    """The time up to which all documents that were visible have their records.

    Args:
        config: The destination, and the spool's folder.
        part: The slice.
    """

    def __init__(self, config: Config, part: Slice) -> None:
        self._root = spool_root(config)
        folder = Destination.of(config.endpoint or (config.cloud_id or "",)).folder
        self._name = f"{folder}-{part.number}-of-{part.of}.json"

    @property
    def path(self) -> Path:
        """The file."""
        return self._root / _FOLDER / self._name

    def read(self) -> int | None:
        """Return the time in nanoseconds since 1970; None where there is no file.

        Raises:
            SpoolError: The file cannot be used; the message says why.
        """
        try:
            root = find_folder(self._root)
            if root is None:
                return None
            with root:
                folder = root.find(_FOLDER)
                if folder is None:
                    return None
                with folder, folder.read(self._name) as file:
                    time_ns = json.loads(file.read(_MOST_BYTES))["until_ns"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            time_ns = None
        if type(time_ns) is not int or not 0 <= time_ns <= _LAST_NS:
            raise SpoolError(f"The checkpoint {self.path} cannot be read.")
        return time_ns

    def write(self, time_ns: int) -> None:
        """Write the time, in nanoseconds since 1970.

        Raises:
            SpoolError: It could not be written; the message says why.
        """
        content = json.dumps({"until_ns": time_ns}).encode() + b"\n"
        with make_folder(self._root) as root, root.make(_FOLDER) as folder:
            folder.write(self._name, temporary_name(self._name), content)
