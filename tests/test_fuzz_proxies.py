"""
Whatever proxies, and those who would be proxies, say of a request.
"""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from smartmob.web.trust import Trust, Way
from tests.support.fuzzing import tries
from tests.support.head_grammar import hosts, texts, values

PEER = IPv4Address("TCP", "192.0.2.7", 50_000)


def plain(text: str) -> str:
    """An address as there is but one way to write it, without a port; else what it was."""
    address = re.sub(r"\A\[(.*)\](?::\d+)?\Z|\A([\d.]+):\d+\Z", r"\1\2", text.strip())
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return text
    return str(getattr(ip, "ipv4_mapped", None) or ip)


class TrustTests(SynchronousTestCase):
    """
    L{smartmob.web.trust}.
    """

    addresses = st.one_of(
        st.ip_addresses().map(str),
        st.ip_addresses(v=4).map(lambda ip: f"{ip}:80"),
        st.ip_addresses(v=6).map(lambda ip: f"[{ip}]:80"),
        st.ip_addresses(v=4).map(lambda ip: f"::ffff:{ip}"),
        st.sampled_from(["10.0.0.1", "10.9.9.9", "unknown", "_x", "", "127.1", "1e3", "[::1"]),
        texts,
    )
    lists = st.lists(addresses, max_size=4)
    told = st.fixed_dictionaries(
        {},
        optional={
            b"X-Forwarded-For": lists.map(lambda each: ", ".join(each).encode("latin-1")),
            b"X-Forwarded-Proto": values | st.sampled_from([b"https", b"http, wss", b"HTTPS"]),
            b"X-Forwarded-Host": hosts,
        },
    )

    @tries(300)
    @given(told, hosts)
    def test_strangers(self, told: dict[bytes, bytes], host: bytes) -> None:
        """Who is no proxy of ours can say what it likes."""
        headers = Headers({name: [value] for name, value in told.items()})
        headers.addRawHeader(b"Host", host)
        trust = Trust(proxies=(ip_network("10.0.0.0/8"),))
        for peer, client in ((PEER, "192.0.2.7"), (UNIXAddress(b"/x"), "a unix socket")):
            for secure in (False, True):
                found = trust.way(headers, peer, secure=secure)
                self.assertEqual(found, Way(secure=secure, host=host, client=client))

    @tries(300)
    @given(lists, told)
    @example(["6.6.6.6", "10.0.0.1", "10.0.0.2"], {})
    @example(["6.6.6.6", "unknown", "10.0.0.2"], {})
    def test_proxies(self, clients: list[str], told: dict[bytes, bytes]) -> None:
        """
        The client of a proxy is the last address that is none of ours, or the last that
        there is before something else.
        """
        told = {**told, b"X-Forwarded-For": ",".join(clients).encode("latin-1")}
        headers = Headers({name: [value] for name, value in told.items()})
        network = ip_network("10.0.0.0/8")
        trust = Trust(proxies=(network,))
        found = trust.way(headers, IPv4Address("TCP", "10.0.0.9", 1), secure=False)
        client = ip_address(found.client)
        if client.version == 6 or client not in network:
            self.assertIn(str(client), [plain(each) for each in ",".join(clients).split(",")])
        self.assertEqual(found.forwarded, bool(found.host))

    @tries(200)
    @given(st.lists(st.ip_addresses(v=4), max_size=5))
    def test_model(self, clients: list[Any]) -> None:
        """Of addresses alone, the one that a simpler rule finds."""
        network = ip_network("0.0.0.0/1")
        trust = Trust(proxies=(network,))
        headers = Headers({b"X-Forwarded-For": [", ".join(map(str, clients)).encode()]})
        found = trust.way(headers, IPv4Address("TCP", "10.0.0.9", 1), secure=False)
        foreign = [ip for ip in clients if ip not in network]
        expected = foreign[-1] if foreign else (clients or ["10.0.0.9"])[0]
        self.assertEqual(found.client, str(expected))
