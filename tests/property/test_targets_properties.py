from ipaddress import ip_address
from urllib.parse import urlsplit

from hypothesis import assume, given, strategies as st

from otel_asayer.config.targets import Targets, host_of
from property.strategies import addresses, any_text, labels, names

INTERNAL = Targets.parse("internal")
hostile_urls = st.one_of(
    any_text,
    st.tuples(
        st.sampled_from(("http://", "https://", "//", "http:/")),
        st.text("cart.evil@:/\\?#[]%0 \t\n1x", max_size=25),
    ).map("".join),
)


@given(st.one_of(any_text, names, addresses))
def test_any_text_can_be_asked_for(host: str) -> None:
    assert INTERNAL.allow(host) in (True, False)


@given(any_text)
def test_any_text_is_a_list_of_targets_or_a_value_error(text: str) -> None:
    try:
        targets = Targets.parse(text)
    except ValueError:
        return
    assert Targets.parse(str(targets)) == targets


@given(
    st.lists(
        st.one_of(names, names.map("*.{}".format), addresses, st.sampled_from(("internal", "*")))
    )
)
def test_targets_come_back_from_their_text(entries: list[str]) -> None:
    targets = Targets.parse(",".join(entries))
    assert Targets.parse(str(targets)) == targets


@given(names)
def test_a_name_covers_itself_in_any_case(name: str) -> None:
    assert Targets.parse(name.upper()).allow(name)


@given(names, names)
def test_a_name_covers_no_other(name: str, other: str) -> None:
    assume(name not in (other, "internal"))
    assert not Targets.parse(name).allow(other)


@given(labels, names)
def test_a_suffix_covers_what_is_below_it(label: str, name: str) -> None:
    assert Targets.parse(f"*.{name}").allow(f"{label}.{name}")


@given(labels, names)
def test_a_suffix_does_not_cover_what_only_ends_alike(label: str, name: str) -> None:
    assert not Targets.parse(f"*.{name}").allow(f"{label}{name}")


@given(addresses)
def test_no_public_address_is_internal(address: str) -> None:
    assert not (ip_address(address).is_global and INTERNAL.allow(address))


@given(st.one_of(any_text, names, addresses))
def test_no_targets_cover_nothing(host: str) -> None:
    assert not Targets().allow(host)


@given(st.one_of(any_text, names, addresses))
def test_being_asked_twice_does_not_change_the_answer(host: str) -> None:
    targets = Targets.parse("internal,*.example.com")
    assert targets.allow(host) == targets.allow(host)


@given(hostile_urls)
def test_a_host_is_found_only_where_the_standard_library_finds_the_same(url: str) -> None:
    host = host_of(url)
    assert host is None or host.lower() == urlsplit(url).hostname


@given(names, st.integers(0, 65535), any_text)
def test_a_path_does_not_change_the_host(name: str, port: int, path: str) -> None:
    assert host_of(f"http://{name}:{port}/{path}") == name


@given(names, st.text("abc:@!$&", max_size=10))
def test_a_user_does_not_change_the_host(name: str, user: str) -> None:
    assert host_of(f"http://{user}@{name}/") == name


@given(addresses)
def test_an_address_is_found_in_a_url(address: str) -> None:
    in_url = f"[{address}]" if ":" in address else address
    assert host_of(f"http://{in_url}/") == (address if "%" not in address else None)
