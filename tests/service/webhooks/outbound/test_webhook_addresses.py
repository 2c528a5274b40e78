"""No webhook leaves for an address that is not public, however the address is dressed up."""

import asyncio
import gzip
import socket
from collections.abc import Sequence
from contextlib import suppress

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st
from webhook_receiver import a_sender, answering, receiving

from service.clock import seconds
from service.webhooks.outbound.address import (
    AddressFilter,
    AddressRefused,
    UrlRefused,
    check_url,
    is_public,
)
from service.webhooks.outbound.connector import CheckedResolver
from service.webhooks.outbound.send import ANSWER_BYTES_MAX
from service.webhooks.signing import new_secret

REFUSED_URLS = [
    "http://example.com/",  # not encrypted
    "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "//example.com/", "hooks",
    "https://", "https:///path", "https://:443/", "https:example.com", "https:/example.com",
    "https://127.0.0.1/", "https://127.1/", "https://127.0.1/", "https://0/", "https://0.0.0.0/",
    "https://2130706433/", "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0x7f.1/",
    "https://0177.0.0.1/", "https://017700000001/", "https://127.0.0.1./", "https://1.2.3/",
    "https://127.0.0.0x1/", "https://127.0.0.01/", "https://256.1.1.1/", "https://1.1.1.1.1/",
    "https://10.0.0.1/", "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/", "https://100.100.100.200/", "https://100.64.0.1/",
    "https://168.63.129.16/", "https://192.0.0.192/", "https://192.0.2.1/", "https://198.18.0.1/",
    "https://198.51.100.7/", "https://203.0.113.9/", "https://224.0.0.1/", "https://240.0.0.1/",
    "https://255.255.255.255/", "https://192.88.99.1/",
    "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/", "https://[::ffff:8.8.8.8]/", "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/", "https://[64:ff9b::808:808]/", "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/", "https://[2002:808:808::1]/", "https://[2001:0:7f00:1::]/",
    "https://[fe80::1]/", "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/",
    "https://[fec0::1]/", "https://[fc00::1]/", "https://[fd00:ec2::254]/", "https://[ff02::1]/",
    "https://[2001:db8::1]/", "https://[100::1]/", "https://[5f00::1]/", "https://[v1.a:b]/",
    "https://[1.2.3.4]/", "https://[::1/", "https://::1/", "https://[::1]x/",
    "https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://intranet/",
    "https://example.com./", "https://example..com/", "https://-a.example.com/", "https://.com/",
    "https://user:secret@example.com/", "https://example.com@127.0.0.1/", "https://@example.com/",
    "https://127.0.0.1#@example.com/", "https://example.com/#part",
    "https://example.com\\@127.0.0.1/", "https:\\\\example.com\\", "https://exam ple.com/",
    "https://example.com/\r\nX-Evil: 1", "https://example.com/\nx", "https://exa\tmple.com/",
    "https://example.com\r\n.evil.org/", " https://example.com/", "https://example.com/\x00",
    "https://１２７.０.０.１/", "https://①②⑦.⓪.⓪.①/", "https://127。0。0。1/", "https://ⓔxample.com/",
    "https://bücher.example/", "https://example.com/ü", "https://ex%61mple.com/",
    "https://%31%32%37.0.0.1/", "https://example.com:0/", "https://example.com:22/",
    "https://example.com:25/", "https://example.com:80/", "https://example.com:65536/",
    "https://example.com:-1/", "https://example.com:4 43/", "https://example.com:x/",
    "https://" + "a" * 64 + ".com/", "https://" + "a." * 127 + "com/",
    "https://example.com/" + "x" * 2048,
]  # fmt: skip
LOOPBACK_ONLY = [
    "http://127.0.0.1:8000/hooks", "http://127.255.0.9/", "https://127.0.0.1/", "http://[::1]:9000/",
    "http://localhost:3000/", "https://localhost/",
]  # fmt: skip
TAKEN = [
    "https://example.com/hooks", "HTTPS://Example.COM/hooks?a=b&c=%20", "https://example.com:443/",
    "https://example.com:8443/", "https://xn--bcher-kva.example/", "https://a_b.example.com/",
    "https://8.8.8.8/", "https://[2606:4700:4700::1111]/", "https://example.com",
]  # fmt: skip
DRIP_S = 60.0


@pytest.mark.parametrize("url", REFUSED_URLS)
@pytest.mark.parametrize("loopback", [False, True])
def test_a_trick_is_refused(url: str, loopback: bool) -> None:
    if loopback and (url in LOOPBACK_ONLY or url.lower() in LOOPBACK_ONLY or "[::1]/" in url):
        pytest.skip("plainly this machine, which a developer may allow")

    with pytest.raises(UrlRefused):
        check_url(url, loopback=loopback)


@pytest.mark.parametrize("url", LOOPBACK_ONLY)
def test_this_machine_is_for_development_only(url: str) -> None:
    assert check_url(url, loopback=True) == url
    with pytest.raises(UrlRefused):
        check_url(url, loopback=False)


@pytest.mark.parametrize("url", TAKEN)
def test_a_public_url_is_taken_as_it_is(url: str) -> None:
    assert check_url(url, loopback=False) == url


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_is_refused(text: str) -> None:
    for url in (text, f"https://{text}/", f"https://example.com/{text}"):
        with suppress(UrlRefused):
            assert check_url(url, loopback=False) == url


@given(st.ip_addresses())
def test_what_is_called_public_is_so_for_the_library_too(address) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert getattr(address, "ipv4_mapped", None) is None
        assert getattr(address, "sixtofour", None) is None
        assert getattr(address, "teredo", None) is None


class Told(AbstractResolver):
    """A resolver whose answers are given, a new list each time it is asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            ResolveResult(
                hostname=host,
                host=one,
                port=port,
                family=socket.AF_INET6 if ":" in one else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for one in found
        ]

    async def close(self) -> None:
        pass


async def sent(url: str, **more: object):
    async with a_sender(**more) as sender:
        return await sender.send(url, [new_secret()], message_id="m1", body=b"{}")


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"], ["10.1.2.3"], ["169.254.169.254"], ["::1"], ["fd00:ec2::254"],
        ["::ffff:127.0.0.1"], ["64:ff9b::a9fe:a9fe"], ["2002:7f00:1::"], ["0.0.0.0"],
        ["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"], ["2606:4700:4700::1111", "fe80::1"],
        ["fe80::1%eth0"],
    ],
)  # fmt: skip
async def test_a_name_with_any_private_answer_gets_nothing(answers: list[str]) -> None:
    answer = await sent("https://name.example/", loopback=False, resolver=Told(answers))

    assert answer.result == "address"
    assert "not public" in answer.error


@pytest.mark.parametrize(
    "answers", [["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"], ["2606:4700:4700::1111", "::1"]]
)
async def test_one_private_answer_refuses_a_name_before_any_connection(answers: list[str]) -> None:
    resolver = CheckedResolver(AddressFilter(loopback=False), Told(answers))

    with pytest.raises(AddressRefused, match="not public"):
        await resolver.resolve("name.example", 443)


async def test_an_address_in_the_url_is_checked_when_connecting_too() -> None:
    async with receiving() as shop:
        answer = await sent(shop.url, loopback=False)

    assert answer.result == "address"
    assert shop.got == []


async def test_a_name_is_asked_for_once_and_that_answer_is_used() -> None:
    async with receiving() as shop:
        port = shop.url.rpartition(":")[2]
        resolver = Told(["127.0.0.1"], ["192.0.2.1"])
        answer = await sent(f"http://name.example:{port}", resolver=resolver)

    assert answer.result == "ok"
    assert resolver.asked == 1
    assert shop.got[0].headers["host"] == f"name.example:{port.partition('/')[0]}"


async def test_a_name_that_turns_private_later_is_refused_then() -> None:
    resolver = Told(["127.0.0.1"], ["10.0.0.1"])
    async with receiving(lambda _: answering(200, Connection="close")) as shop:
        url = f"http://name.example:{shop.url.rpartition(':')[2]}"
        async with a_sender(resolver=resolver) as sender:
            answers = [
                await sender.send(url, [new_secret()], message_id="m1", body=b"{}")
                for _ in range(2)
            ]
            # The receiver ends the connection, so the second try has to resolve again.

    assert [one.result for one in answers] in (["ok", "address"], ["ok", "connection"])
    assert len(shop.got) == 1


def test_the_gate_takes_nothing_but_addresses() -> None:
    for text in ("", "name.example", "127.1", "1.1.1.1%eth0", "10.0.0.1"):
        with pytest.raises(AddressRefused):
            AddressFilter(loopback=False).check(text)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with (
        receiving() as inside,
        receiving(lambda _: answering(status, Location=inside.url)) as shop,
    ):
        answer = await sent(shop.url)

    assert (answer.result, answer.status) == ("status", status)
    assert "redirects are not followed" in answer.error
    assert inside.got == []


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch) -> None:
    async with receiving() as shop, receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        answer = await sent(shop.url)

    assert answer.result == "ok"
    assert proxy.got == []


async def test_only_the_first_kib_of_an_endless_answer_is_read() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    more = b"400\r\n" + b"x" * 0x400 + b"\r\n"
    async with receiving(lambda _: head + more * 2000) as shop:
        answer = await sent(shop.url)

    assert answer.result == "ok"
    assert answer.body == b"x" * ANSWER_BYTES_MAX


async def test_a_packed_answer_is_not_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 10_000_000)
    async with receiving(lambda _: answering(200, bomb, Content_Encoding="gzip")) as shop:
        answer = await sent(shop.url)

    assert answer.result == "ok"
    assert answer.body == bomb[:ANSWER_BYTES_MAX]


async def _drip(_: object) -> bytes:
    await asyncio.sleep(DRIP_S)
    return b""


@pytest.mark.parametrize(
    "answer",
    [
        _drip,
        lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nslow",
        lambda _: b"HTTP/1.1 200 OK\r\nX-Half: ",
    ],
    ids=["silent", "half a body", "half a head"],
)
async def test_a_slow_answer_ends_in_time(answer) -> None:
    async with receiving(answer) as shop:
        started = seconds()
        answered = await sent(shop.url, timeout_s=0.3)

    assert answered.result == "timeout"
    assert seconds() - started < DRIP_S  # nobody waited for the end


@pytest.mark.parametrize(
    "answer",
    [
        b"no http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 2OO OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_nonsense_is_a_failed_attempt_in_words(answer: bytes) -> None:
    async with receiving(lambda _: answer) as shop:
        answered = await sent(shop.url)

    assert answered.result == "connection"
    assert answered.error


async def test_nobody_there_is_a_failed_attempt_in_words() -> None:
    async with receiving() as shop:
        url = shop.url
    answer = await sent(url)

    assert answer.result == "connection"
    assert "connect" in answer.error.lower()


async def test_plain_http_behind_https_is_a_tls_failure() -> None:
    async with receiving(lambda _: b"HTTP/1.1 400 Bad\r\n\r\n") as shop:
        answer = await sent(shop.url.replace("http:", "https:"), timeout_s=1.0)

    assert answer.result in ("tls", "connection", "timeout")
    assert answer.error
