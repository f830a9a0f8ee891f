"""The folder of one node:

configuration, data and log, while the distribution itself is shared and read only.
"""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from elasticsearch_server.accounts import Account
from elasticsearch_server.config import NodeConfig
from elasticsearch_server.errors import HarnessError

# A test's node lives for seconds: compiling hot code twice, touching all of the heap at start and a
# concurrent collector are for long lives.
_JVM_OPTIONS = (
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-AlwaysPreTouch",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.io.tmpdir=${ES_TMPDIR}",
)
_PATTERN = "[%d{ISO8601}][%-5p][%c{1.}] [%node_name]%marker %m%consoleException%n"
_LOGGING = f"""\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = {_PATTERN}
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


@dataclass(frozen=True)
class Layout:
    """Where things are in the folder of one node."""

    folder: Path

    @property
    def config(self) -> Path:
        """The node's own configuration folder."""
        return self.folder / "config"

    @property
    def temporary(self) -> Path:
        """Temporary files of launcher and JVM, which leave some behind."""
        return self.folder / "tmp"

    @property
    def ca_certificate(self) -> Path:
        """The certificate that clients trust, in mode `tls`."""
        return self.config / "ca.crt"

    def environment(self, java_home: Path, path: str) -> dict[str, str]:
        """All of the environment of the launcher:

        what is not said here must not reach it (JAVA_TOOL_OPTIONS, say).
        """
        return {
            "PATH": path,
            "HOME": str(self.folder),
            "ES_JAVA_HOME": str(java_home),
            "ES_PATH_CONF": str(self.config),
            "ES_TMPDIR": str(self.temporary),
            # For every JVM on the way to the node's own; without it they leave files in /tmp.
            "JDK_JAVA_OPTIONS": f"-XX:TieredStopAtLevel=1 -XX:-UsePerfData "
            f"-Djava.io.tmpdir={self.temporary}",
        }


def create(
    config: NodeConfig, home: Path, ports: tuple[int, int], account: Account, parent: Path | None
) -> Layout:
    """Make the folder of a new node, with all that Elasticsearch reads at start.

    Args:
        config: What the node is like.
        home: The distribution, whose configuration and keystore are copied.
        ports: Those of http and transport.
        account: Who gets the folder.
        parent: Where to make it; None chooses a temporary folder.

    Raises:
        HarnessError: The account cannot enter `parent`.
    """
    layout = Layout(Path(tempfile.mkdtemp(dir=_parent(account, parent), prefix="otel-asayer-es-")))
    shutil.copytree(home / "config", layout.config)
    layout.temporary.mkdir()
    _write(
        layout.config / "elasticsearch.yml",
        [
            f"{name}: {json.dumps(value)}"
            for name, value in _settings(config, layout, ports).items()
        ],
    )
    _write(
        layout.config / "jvm.options", [f"-Xms{config.heap}", f"-Xmx{config.heap}", *_JVM_OPTIONS]
    )
    _write(layout.config / "log4j2.properties", [_LOGGING])
    if config.mode == "tls":
        _write_certificates(layout)
    account.own(layout.folder)
    return layout


def _parent(account: Account, parent: Path | None) -> Path:
    choices = [parent] if parent else [Path(tempfile.gettempdir()), Path("/var/tmp")]
    for choice in choices:
        if account.can_enter(choice):
            return choice.absolute()
    raise HarnessError(
        f"The user that Elasticsearch runs as (uid {account.uid}) cannot enter "
        f"{' or '.join(map(str, choices))}: choose another work directory."
    )


def cluster_name(folder: Path) -> str:
    """Tells this node from any other that might answer on its port."""
    return folder.name


def _settings(config: NodeConfig, layout: Layout, ports: tuple[int, int]) -> dict[str, str]:
    settings = {
        "cluster.name": cluster_name(layout.folder),
        "node.name": "node",
        "node.processors": "2",
        "network.host": "127.0.0.1",
        "http.port": str(ports[0]),
        "transport.port": str(ports[1]),
        "discovery.type": "single-node",
        "path.data": str(layout.folder / "data"),
        "path.logs": str(layout.folder / "logs"),
        "cluster.routing.allocation.disk.threshold_enabled": "false",
        "node.store.allow_mmap": "false",
        "action.destructive_requires_name": "false",
        "xpack.security.enabled": str(config.secured).lower(),
        "xpack.security.autoconfiguration.enabled": "false",
        "xpack.security.transport.ssl.enabled": "false",
    }
    if config.mode == "tls":
        settings |= {
            "xpack.security.http.ssl.enabled": "true",
            "xpack.security.http.ssl.key": "http.key",
            "xpack.security.http.ssl.certificate": "http.crt",
        }
    return settings | dict(config.settings)


def _write_certificates(layout: Layout) -> None:
    import trustme  # only here: the other modes run without it

    authority = trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(layout.ca_certificate)
    server.private_key_pem.write_to_path(layout.config / "http.key")
    for part in server.cert_chain_pems:
        part.write_to_path(layout.config / "http.crt", append=True)


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
