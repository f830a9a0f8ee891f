"""Fetches Elastic's own test distribution and prepares it once:

unpacked, with our plugin and a keystore, for nodes to read only.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from elasticsearch_server import plugin
from elasticsearch_server.accounts import Account
from elasticsearch_server.errors import HarnessError
from elasticsearch_server.java import Jdk

CACHE_VARIABLE = "OTEL_ASAYER_TEST_CACHE"
# In the keystore of every node: they listen on loopback only and live as long as a test run.
PASSWORD = "loopback-only"

_COORDINATES = "org.elasticsearch.distribution.integ-test-zip:elasticsearch:{version}:zip"
_REPOSITORY_CACHE = Path(__file__).parents[2] / ".cache" / "elasticsearch"
_SHARED_CACHE = Path("/var/tmp/otel-asayer-cache")
_STAGING = "staging-"


def cache_directory(account: Account, environ: Mapping[str, str] = os.environ) -> Path:
    """Where distributions are kept: the variable's folder, else the repository's, else one under
    `/var/tmp`.

    Raises:
        HarnessError: The folder belongs to somebody else, or the account of the nodes cannot enter
            it.
    """
    if named := environ.get(CACHE_VARIABLE):
        return _usable(Path(named).absolute(), account)
    try:
        return _usable(_REPOSITORY_CACHE, account)
    except (OSError, HarnessError):
        return _usable(
            _SHARED_CACHE, account
        )  # the repository is read-only, or lies in root's home


def _usable(folder: Path, account: Account) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if folder.stat().st_uid != os.geteuid() or not account.can_enter(folder):
        raise HarnessError(
            f"The cache {folder} must belong to the present user and be open to the one that "
            f"Elasticsearch runs as. Name another in {CACHE_VARIABLE}."
        )
    return folder


def distribution(version: str, jdk: Jdk, cache: Path) -> Path:
    """The home of an Elasticsearch that is ready to run, prepared when it is missing.

    Any number of processes may ask at once: one prepares it, the others wait.
    """
    home = _home(version, cache)
    if not home.is_dir():
        with _locked(cache):
            if not home.is_dir():
                _prepare(version, jdk, cache, home)
    return home


def is_prepared(version: str, cache: Path) -> bool:
    """Whether that version can be run without a download."""
    return _home(version, cache).is_dir() or _archive(version, cache).exists()


def _home(version: str, cache: Path) -> Path:
    return cache / f"elasticsearch-{version}-{plugin.fingerprint()}"


def _archive(version: str, cache: Path) -> Path:
    return cache / f"elasticsearch-{version}.zip"


def fetch(version: str, cache: Path) -> Path:
    """The zip of a version, brought by Maven when it is missing: complete, or not there.

    For the holder of the cache's lock.
    """
    archive = _archive(version, cache)
    if not archive.exists():
        with _staging(cache) as staging:
            _run_maven(version, staging)
            (staging / archive.name).replace(archive)
    return archive


def _run_maven(version: str, folder: Path) -> None:
    artifact = _COORDINATES.format(version=version)
    command = [
        "mvn",
        "--batch-mode",
        "--quiet",
        *_repository(folder.parent),
        "dependency:copy",
        f"-Dartifact={artifact}",
        f"-DoutputDirectory={folder}",
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise HarnessError(
            f"{artifact} is fetched with Maven, and there is no mvn on PATH: install Maven."
        ) from None
    except subprocess.CalledProcessError as error:
        raise HarnessError(
            f"Maven could not fetch {artifact}: {_complaint(error.stdout + error.stderr)}"
        ) from None


def _repository(cache: Path) -> list[str]:
    """Where Maven keeps what it fetches:

    where it always does, or in our cache when the home cannot be written.
    """
    return [] if _is_writable(Path.home() / ".m2") else [f"-Dmaven.repo.local={cache / 'maven'}"]


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _complaint(output: str) -> str:
    """The first error in what Maven said, which has the cause, without the advice behind it."""
    lines = [
        line.removeprefix("[ERROR]").strip()
        for line in output.splitlines()
        if line.startswith("[ERROR]")
    ]
    return (lines or output.strip().splitlines() or ["it said nothing"])[0]


def _prepare(version: str, jdk: Jdk, cache: Path, home: Path) -> None:
    archive = fetch(version, cache)
    with _staging(cache) as staging:
        _unpack(archive, staging)
        unpacked = staging / f"elasticsearch-{version}"
        _make_executable(unpacked / "bin")
        plugin.install(version, jdk, unpacked)
        _create_keystore(jdk, unpacked)
        _make_readable(unpacked)
        unpacked.replace(home)


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as content:
            content.extractall(folder)
    except (zipfile.BadZipFile, EOFError, zlib.error):
        archive.unlink()
        raise HarnessError(
            f"{archive} was damaged or cut off, and has been removed: run this once more, and it "
            f"is fetched again."
        ) from None


def _create_keystore(jdk: Jdk, home: Path) -> None:
    """The password of `elastic` can be given in a keystore only; making one takes two JVMs, so
    nodes copy this one."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "ES_JAVA_HOME": str(jdk.home)}
    for arguments, text in (
        (["create"], ""),
        (["add", "--stdin", "--force", "bootstrap.password"], PASSWORD),
    ):
        command = [str(home / "bin" / "elasticsearch-keystore"), *arguments]
        done = subprocess.run(
            command, input=text, env=environment, check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise HarnessError(
                f"{' '.join(command)} failed; what it said:\n{done.stdout}{done.stderr}"
            )


def _make_executable(folder: Path) -> None:
    """A zip keeps no execute bits for Python."""
    for path in folder.iterdir():
        path.chmod(0o755)


def _make_readable(tree: Path) -> None:
    """Nodes of another user read this tree, whatever umask it was made under."""
    for path in (tree, *tree.rglob("*")):
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))


@contextmanager
def _staging(cache: Path) -> Iterator[Path]:
    """A folder beside its destination, so that what is finished gets there by a rename:

    all of it, or nothing.
    """
    folder = Path(tempfile.mkdtemp(dir=cache, prefix=_STAGING))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # given up by closing, and so by any end of the process
        for leftover in cache.glob(
            f"{_STAGING}*"
        ):  # of a process that was killed: nobody else is at work now
            shutil.rmtree(leftover)
        yield
