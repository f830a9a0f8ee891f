"""What a node needs before it can start:

a JDK, an account, and the prepared distribution in a cache.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from elasticsearch_server import HarnessError, install, missing
from elasticsearch_server.accounts import Account
from elasticsearch_server.external import URL_VARIABLE
from elasticsearch_server.java import JAVA_HOME_VARIABLE, Jdk, find_jdk

OURSELVES = Account(os.geteuid(), os.getegid())
SOMEBODY = Account(54321, 54321)


@pytest.fixture
def installed(tmp_path: Path) -> Callable[[str, int], Path]:
    def add(name: str, major: int) -> Path:
        home = tmp_path / "jvm" / name
        (home / "bin").mkdir(parents=True)
        (home / "bin" / "javac").touch()
        (home / "release").write_text(
            f'IMPLEMENTOR="Nobody"\nJAVA_VERSION="{major}.0.3"\nJAVA_VERSION_DATE="2026-04-21"\n',
            encoding="utf-8",
        )
        return home

    return add


def test_the_oldest_jdk_that_fits_is_taken(
    installed: Callable[[str, int], Path], tmp_path: Path
) -> None:
    installed("a", 25)
    installed("b", 17)
    wanted = installed("c", 21)
    assert find_jdk("9.4.3", OURSELVES, {}, tmp_path / "jvm") == Jdk(wanted, 21)


def test_elasticsearch_8_is_content_with_java_17(
    installed: Callable[[str, int], Path], tmp_path: Path
) -> None:
    installed("a", 25)
    wanted = installed("b", 17)
    assert find_jdk("8.19.16", OURSELVES, {}, tmp_path / "jvm") == Jdk(wanted, 17)


def test_the_variable_names_the_jdk(installed: Callable[[str, int], Path], tmp_path: Path) -> None:
    installed("a", 21)
    wanted = installed("b", 25)
    assert find_jdk("9.4.3", OURSELVES, {JAVA_HOME_VARIABLE: str(wanted)}, tmp_path / "jvm") == Jdk(
        wanted, 25
    )


def test_a_named_jdk_that_is_too_old_is_passed_over(
    installed: Callable[[str, int], Path], tmp_path: Path
) -> None:
    wanted = installed("a", 21)
    too_old = installed("b", 17)
    assert find_jdk("9.4.3", OURSELVES, {"JAVA_HOME": str(too_old)}, tmp_path / "jvm") == Jdk(
        wanted, 21
    )


def test_the_jdk_on_the_path_is_found(
    installed: Callable[[str, int], Path], tmp_path: Path
) -> None:
    wanted = installed("a", 21)
    (wanted / "bin" / "java").touch(mode=0o755)
    assert find_jdk("9.4.3", OURSELVES, {"PATH": str(wanted / "bin")}, tmp_path / "none") == Jdk(
        wanted, 21
    )


def test_a_runtime_without_a_compiler_is_no_jdk(
    installed: Callable[[str, int], Path], tmp_path: Path
) -> None:
    (installed("a", 21) / "bin" / "javac").unlink()
    with pytest.raises(HarnessError, match=r"needs a JDK 21 or newer .* seen: none"):
        find_jdk("9.4.3", OURSELVES, {}, tmp_path / "jvm")


def test_without_a_fitting_jdk_the_error_names_those_that_were_seen(
    installed: Callable[[str, int], Path], tmp_path: Path
) -> None:
    too_old = installed("a", 17)
    with pytest.raises(
        HarnessError,
        match=f"seen: 17 in {too_old}. Install one, or name its folder in {JAVA_HOME_VARIABLE}.",
    ):
        find_jdk("9.4.3", OURSELVES, {}, tmp_path / "jvm")


def test_a_folder_of_our_own_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert OURSELVES.can_enter(tmp_path) is True
    assert SOMEBODY.can_enter(tmp_path) is False


def test_the_system_folders_are_open_to_all() -> None:
    assert SOMEBODY.can_enter(Path("/usr/bin"))


def test_the_cache_is_where_the_variable_says(tmp_path: Path) -> None:
    assert (
        install.cache_directory(OURSELVES, {install.CACHE_VARIABLE: str(tmp_path / "cache")})
        == tmp_path / "cache"
    )


def test_a_cache_that_elasticsearch_cannot_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(
        HarnessError, match=f"The cache {tmp_path}.* Name another in {install.CACHE_VARIABLE}"
    ):
        install.cache_directory(SOMEBODY, {install.CACHE_VARIABLE: str(tmp_path)})


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a program of our own in Maven's place."""

    def replace(script: str) -> None:
        program = tmp_path / "bin" / "mvn"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    return replace


def test_maven_brings_the_test_distribution(maven: Callable[[str], None], tmp_path: Path) -> None:
    maven('for last; do :; done; echo "$*" > "${last#-DoutputDirectory=}/elasticsearch-9.4.3.zip"')
    archive = install.fetch("9.4.3", tmp_path)
    asked = archive.read_text(encoding="utf-8").split()
    assert (
        "-Dartifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:9.4.3:zip" in asked
    )


def test_a_download_that_failed_leaves_nothing_and_says_what_maven_said_first(
    maven: Callable[[str], None], tmp_path: Path
) -> None:
    complaint = (
        'echo "[ERROR] Could not resolve host"; echo "[ERROR] Re-run Maven '
        'using the -X switch"; exit 1'
    )
    maven(
        f'for last; do :; done; touch "${{last#-DoutputDirectory=}}/elasticsearch-9.4.3.zip"; '
        f"{complaint}"
    )
    cache = tmp_path / "cache"
    cache.mkdir()
    with pytest.raises(
        HarnessError,
        match=r"^Maven could not fetch \S+:elasticsearch:9\.4\.3:zip: Could not resolve host$",
    ):
        install.fetch("9.4.3", cache)
    assert list(cache.iterdir()) == []


def test_where_the_home_cannot_be_written_maven_keeps_its_files_in_the_cache(
    maven: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/proc")  # root may write anywhere but there
    maven('for last; do :; done; echo "$*" > "${last#-DoutputDirectory=}/elasticsearch-9.4.3.zip"')
    assert f"-Dmaven.repo.local={tmp_path}/maven" in install.fetch("9.4.3", tmp_path).read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and then nothing more", b"<html>"])
def test_an_archive_that_was_cut_off_is_removed_and_the_next_run_fetches_it(
    content: bytes, tmp_path: Path
) -> None:
    archive = tmp_path / "elasticsearch-9.4.3.zip"
    archive.write_bytes(content)
    with pytest.raises(
        HarnessError,
        match=rf"^{archive} was damaged or cut off, and has been removed: run this once more",
    ):
        install.distribution("9.4.3", Jdk(tmp_path, 21), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


@pytest.fixture
def _nodes_run_as_we_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elasticsearch_server.external.present_account", lambda: OURSELVES)


@pytest.mark.usefixtures("_nodes_run_as_we_do")
def test_what_is_missing_for_an_elasticsearch_is_one_sentence(tmp_path: Path) -> None:
    said = missing(
        {"PATH": str(tmp_path), install.CACHE_VARIABLE: str(tmp_path / "cache")}, tmp_path
    )
    assert (
        said == f"Install Maven and a JDK 21 or newer, or name an Elasticsearch of yours in "
        f"{URL_VARIABLE}."
    )


@pytest.mark.usefixtures("_nodes_run_as_we_do")
def test_without_maven_a_distribution_that_was_fetched_before_is_enough(
    installed: Callable[[str, int], Path], tmp_path: Path
) -> None:
    installed("a", 21)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "elasticsearch-9.4.3.zip").touch()
    assert (
        missing({"PATH": str(tmp_path), install.CACHE_VARIABLE: str(cache)}, tmp_path / "jvm") == ""
    )


def test_with_an_elasticsearch_of_the_users_own_nothing_is_missing(tmp_path: Path) -> None:
    assert missing({"PATH": str(tmp_path), URL_VARIABLE: "http://127.0.0.1:9200"}, tmp_path) == ""


def test_without_maven_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HarnessError, match="there is no mvn on PATH: install Maven"):
        install.fetch("9.4.3", tmp_path)


def test_of_many_that_ask_at_once_one_prepares_the_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[Path] = []

    def prepare(_version: str, _jdk: Jdk, _cache: Path, home: Path) -> None:
        prepared.append(home)
        home.mkdir()

    monkeypatch.setattr(install, "_prepare", prepare)
    threads = [
        threading.Thread(target=install.distribution, args=("9.4.3", Jdk(tmp_path, 21), tmp_path))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert prepared == [install.distribution("9.4.3", Jdk(tmp_path, 21), tmp_path)]


def test_what_a_killed_preparation_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "staging-abc" / "elasticsearch-9.4.3").mkdir(parents=True)
    monkeypatch.setattr(install, "_prepare", lambda _version, _jdk, _cache, home: home.mkdir())
    home = install.distribution("9.4.3", Jdk(tmp_path, 21), tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([home, tmp_path / "lock"])
