import doctest

import pytest

from otel_asayer.config import targets
from otel_asayer.config.targets import Targets, host_of

INTERNAL = Targets.parse("internal")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "cart",
        "127.0.0.1",
        "127.8.9.1",
        "::1",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "fd00::1",
    ],
)
def test_loopback_private_addresses_and_single_labels_are_internal(host: str) -> None:
    assert INTERNAL.allow(host)


@pytest.mark.parametrize(
    "host",
    [
        "billing.corp.internal",
        "printer.local",
        "cart.shop.svc",
        "cart.shop.svc.cluster.local",
        "app.localhost",
    ],
)
def test_the_suffixes_of_private_networks_are_internal(host: str) -> None:
    assert INTERNAL.allow(host)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "8.8.8.8",
        "172.15.0.1",
        "172.32.0.1",
        "192.169.0.1",
        "2001:db8::1",
        "fe80::1",
        "internal.example.com",
        "svc.evil",
    ],
)
def test_the_internet_is_not_internal(host: str) -> None:
    assert not INTERNAL.allow(host)


METADATA_SERVICES = [
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "192.0.0.192",
    "metadata.google.internal",
    "METADATA.google.internal.",
    "metadata",
    "instance-data",
    "instance-data.ec2.internal",
    "fd00:ec2::254",
    "[fd00:ec2::254]",
    "fd00:0ec2:0::23",
    "fd20:ce::254",
    "fd00:42::42",
    "fd00:a9fe:a9fe::1",
    "::ffff:169.254.169.254",
    "fe80::a9fe:a9fe",
]


@pytest.mark.parametrize("host", METADATA_SERVICES)
def test_the_metadata_service_of_a_cloud_is_not_internal(host: str) -> None:
    assert not INTERNAL.allow(host)


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("metadata.google.internal", "metadata.google.internal."),
        ("fd00:ec2::/32", "fd00:ec2::254"),
        ("metadata", "metadata"),
    ],
)
def test_who_names_a_metadata_service_has_it_as_a_target(target: str, host: str) -> None:
    assert Targets.parse(target).allow(host)


@pytest.mark.parametrize("host", ["cart.", "ai.", "localhost."])
def test_a_single_label_of_the_public_root_is_not_internal(host: str) -> None:
    assert not INTERNAL.allow(host)


def test_a_single_label_that_is_named_is_a_target_with_its_dot_too() -> None:
    assert Targets.parse("cart").allow("cart.")


def test_the_unspecified_address_is_not_internal() -> None:
    assert not INTERNAL.allow("0.0.0.0")


@pytest.mark.parametrize("host", ["::ffff:10.0.0.1", "[::1]", "CART", "Cart.Shop.SVC."])
def test_other_spellings_of_internal_hosts_are_known(host: str) -> None:
    assert INTERNAL.allow(host)


def test_a_mapped_public_address_is_not_internal() -> None:
    assert not INTERNAL.allow("::ffff:8.8.8.8")


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "0x7f.1", "10.1", "cart.1", "0x"]
)
def test_numbers_that_resolvers_may_read_as_addresses_are_no_names(host: str) -> None:
    assert not INTERNAL.allow(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "..",
        "-cart",
        "cart..svc",
        "a b",
        "cart/evil",
        "cart\n",
        "cart@evil",
        "cart:80",
        "evil.com\\.svc",
        "a" * 64,
        "*",
        "%63art",
    ],
)
def test_what_is_no_host_is_not_internal(host: str) -> None:
    assert not INTERNAL.allow(host)


# Look-alikes are the point
@pytest.mark.parametrize("host", ["\u212aart", "cärt", "cart。svc", "ｃart"])  # noqa: RUF001
def test_characters_outside_of_ascii_are_no_target(host: str) -> None:
    assert not INTERNAL.allow(host)


def test_a_name_is_a_target() -> None:
    assert Targets.parse("api.example.com").allow("api.example.com")


@pytest.mark.parametrize(
    "host", ["example.com", "x.api.example.com", "api.example.com.evil.net", "api-example.com"]
)
def test_only_the_name_itself_is_a_target(host: str) -> None:
    assert not Targets.parse("api.example.com").allow(host)


def test_a_name_is_a_target_in_any_case() -> None:
    assert Targets.parse("API.Example.com").allow("api.EXAMPLE.com")


def test_a_name_may_be_fully_qualified() -> None:
    assert Targets.parse("api.example.com.").allow("api.example.com")


@pytest.mark.parametrize("host", ["a.example.com", "a.b.example.com"])
def test_a_suffix_covers_all_levels_below(host: str) -> None:
    assert Targets.parse("*.example.com").allow(host)


@pytest.mark.parametrize(
    "host", ["example.com", "evilexample.com", "a.example.com.evil.net", ".example.com"]
)
def test_a_suffix_covers_neither_itself_nor_look_alikes(host: str) -> None:
    assert not Targets.parse("*.example.com").allow(host)


@pytest.mark.parametrize(
    ("network", "host"),
    [
        ("203.0.113.0/24", "203.0.113.7"),
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8::/32", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8:0:0::1"),
    ],
)
def test_a_network_covers_its_addresses(network: str, host: str) -> None:
    assert Targets.parse(network).allow(host)


@pytest.mark.parametrize("host", ["203.0.114.1", "2001:db8::1", "api.example.com"])
def test_a_network_covers_nothing_else(host: str) -> None:
    assert not Targets.parse("203.0.113.0/24").allow(host)


def test_a_network_may_be_given_by_one_of_its_hosts() -> None:
    assert Targets.parse("203.0.113.7/24") == Targets.parse("203.0.113.0/24")


@pytest.mark.parametrize("host", ["example.com", "8.8.8.8", "", "2130706433", "cärt"])
def test_a_star_covers_everything(host: str) -> None:
    assert Targets.parse("*").allow(host)


def test_targets_add_up() -> None:
    assert [
        Targets.parse("internal, *.example.com ,203.0.113.0/24").allow(host)
        for host in ("cart", "a.example.com", "203.0.113.9", "x.net")
    ] == [
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_an_empty_list_covers_nothing(text: str) -> None:
    assert Targets.parse(text) == Targets()


def test_no_targets_allow_no_host() -> None:
    assert not Targets().allow("localhost")


@pytest.mark.parametrize(
    "text",
    [
        "*.",
        "**",
        "a.*",
        "*.*",
        "http://cart",
        "cart:80",
        "cart/",
        "10.0.0.0/33",
        "10.0.0",
        "a b",
        "...",
        "-",
        "2130706433",
        "cärt",
        "*.1",
    ],
)
def test_a_bad_entry_is_named(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"is no host name, \*\.suffix, CIDR block, 'internal' or '\*'$"
    ):
        Targets.parse(f"cart,{text}")


def test_the_list_comes_back_as_text() -> None:
    assert (
        str(Targets.parse("b, a,*.example.com,10.1.0.0/16,internal,*"))
        == "a,b,*.example.com,10.1.0.0/16,internal,*"
    )


def test_what_is_known_of_hosts_is_bounded() -> None:
    hosts = [f"host{number}.example.com" for number in range(3000)]
    many = Targets.parse("*.example.com")
    assert all(map(many.allow, hosts))
    assert len(many._known) <= 1024


def test_what_is_known_of_hosts_does_not_make_targets_differ() -> None:
    asked, fresh = Targets.parse("cart"), Targets.parse("cart")
    asked.allow("cart")
    assert asked == fresh


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://cart", "cart"),
        ("http://cart/", "cart"),
        ("https://cart.shop.svc:8443/items?a=b#c", "cart.shop.svc"),
        ("http://cart?x", "cart"),
        ("http://cart#x", "cart"),
        ("http://user:secret@cart/", "cart"),
        ("http://a@b@cart/", "cart"),
        ("http://[::1]:80/", "::1"),
        ("http://[fd00::1]", "fd00::1"),
        ("HTTP://CART/", "CART"),
        ("http://cart:/", "cart"),
        ("http://cart/@evil.example", "cart"),
        ("http://cart?@evil.example", "cart"),
        ("http://cart#@evil.example", "cart"),
        ("http://cart/\\evil", "cart"),
        ("redis+tls://cart:6379/0", "cart"),
    ],
)
def test_the_host_of_a_url_is_found(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cart",
        "//cart/",
        "/path",
        "http:/cart",
        "http:cart",
        "http://",
        "http:///cart",
        "http://evil.example\\@cart/",
        "http://cart\\@evil.example/",
        "http://cart\\.evil.example/",
        "http://cart:80:81/",
        "http://cart:port/",
        "http://cart:123456/",
        "http://cart%2eevil.example/",
        "http://cart evil/",
        "http://cart\n/",
        "http://cart\t/",
        " http://cart/",
        "http://cärt/",
        "http://cart\u3002svc/",
        "http://[::1/",
        "http://[::1]evil/",
        "http://[::1%25eth0]/",
        "http://cart]/",
        "1http://cart/",
    ],
)
def test_a_url_that_parsers_may_read_differently_has_no_host(url: str) -> None:
    assert host_of(url) is None


def test_the_examples_of_the_module_hold() -> None:
    assert doctest.testmod(targets).failed == 0
