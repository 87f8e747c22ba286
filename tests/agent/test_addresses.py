from ipaddress import IPv6Address, ip_address

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.addresses import text, words


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", (0, 0xFFFF_C000_0201)),
        ("::ffff:192.0.2.1", (0, 0xFFFF_C000_0201)),
        ("2001:db8::1", (0x2001_0DB8 << 32, 1)),
        ("::", (0, 0)),
        (IPv6Address("fe80::2"), (0xFE80 << 48, 2)),
    ],
)
def test_words(address: str | IPv6Address, expected: tuple[int, int]) -> None:
    assert words(address) == expected


@pytest.mark.parametrize("wrong", ["", "192.0.2.256", "192.0.2", "host.example", "2001:db8:::1"])
def test_what_is_no_address_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="address"):
        words(wrong)


def test_mapped_ipv4_prints_as_a_dotted_quad() -> None:
    assert text(*words("::ffff:198.51.100.7")) == "198.51.100.7"


def test_words_out_of_numpy_print_too() -> None:
    hi, lo = np.array(words("2001:db8:ffff::9"), np.uint64)
    assert text(hi, lo) == "2001:db8:ffff::9"


@given(st.ip_addresses())
def test_there_and_back(address: IPv6Address) -> None:
    assert words(text(*words(address))) == words(address)
    assert ip_address(text(*words(address))) in {address, getattr(address, "ipv4_mapped", address)}
