from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

from curation import outgoing
from curation.outgoing import AddressError, Call, OutgoingError, send, target_of
from tests.curation.listening import Server, answer, listening

# Notations of addresses that only this machine or its network reaches, and what is no address.
REFUSED = [
    "",
    "http://example.com/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://0x7f.1/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[fe80::1]/",
    "https://[fc00::1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://localhost/",
    "https://db/",
    "https://printer.local/",
    "https://metadata.internal/",
    "https://user@example.com/",
    "https://user:secret@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com/#x",
    "https://example.com\\@127.0.0.1/",
    "https:///x",
    "https://example.com:99999/",
    "https://exämple.com/",
    "https://exa mple.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "//example.com/",
    "example.com",
    "",
][1:-1]


@pytest.fixture
def server() -> Iterator[Server]:
    with listening() as server:
        yield server


class TestTarget:
    @pytest.mark.parametrize("url", [*REFUSED, "", "https://example.com/" + "x" * 500])
    def test_refuses(self, url: str) -> None:
        with pytest.raises(AddressError):
            target_of(url, allowed=())

    @pytest.mark.parametrize(
        ("url", "authority", "path"),
        [
            ("https://example.com", "example.com", "/"),
            ("https://EXAMPLE.com:8443/a?b=c", "example.com:8443", "/a?b=c"),
            ("https://8.8.8.8/x", "8.8.8.8", "/x"),
            ("https://[2606:4700::1111]/x", "[2606:4700::1111]", "/x"),
        ],
    )
    def test_takes(self, url: str, authority: str, path: str) -> None:
        target = target_of(url, allowed=())
        assert (target.authority, target.path) == (authority, path)

    def test_what_is_named_may_be_anything(self) -> None:
        assert target_of("http://tracker:8080/x", allowed=["tracker"]).is_named
        assert target_of("http://10.0.0.1:8080/x", allowed=["10.0.0.1:8080"]).is_named
        with pytest.raises(AddressError):
            target_of("http://10.0.0.1:9090/x", allowed=["10.0.0.1:8080"])


class TestSend:
    def test_sends_and_reads(self, server: Server) -> None:
        server.answers = lambda *_: answer(201, {"a": 1}, Retry_After="7")
        got = send(
            Call(method="POST", url=server.url + "/x?y", headers={"A": "b"}, body=b'{"c": 2}'),
            allowed=[server.host],
        )
        assert (got.status, got.body, got.retry_after) == (201, b'{"a": 1}', 7)
        [asked] = server.got
        assert (asked.method, asked.path, asked.json) == ("POST", "/x?y", {"c": 2})
        assert (asked.headers["A"], asked.headers["User-Agent"]) == ("b", "Postil")
        assert asked.headers["Host"] == server.host

    def test_nothing_reaches_what_is_not_public(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A public name may lead to a private address."""
        for addresses in (["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::1"]):
            found = [(0, 0, 0, "", (one, server.port)) for one in addresses]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, found=found, **_k: found)
            with pytest.raises(AddressError, match="not public"):
                send(Call(method="GET", url=f"https://example.com:{server.port}/"), allowed=())
        assert server.got == []

    def test_the_address_that_was_judged_is_the_one_that_is_used(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A name that changes its mind in between gains nothing."""
        asked: list[Any] = []
        real = socket.getaddrinfo

        def resolve(host: str, *args: Any, **more: Any) -> Any:
            asked.append(host)
            return real("127.0.0.1" if host == "name.test" else host, *args, **more)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        send(Call(method="GET", url=f"http://name.test:{server.port}/"), allowed=["name.test"])
        assert asked.count("name.test") == 1
        assert server.got[0].headers["Host"] == f"name.test:{server.port}"

    def test_follows_no_redirect(self, server: Server) -> None:
        server.answers = lambda *_: answer(302, None, Location=f"{server.url}/secret")
        assert send(Call(method="GET", url=server.url), allowed=[server.host]).status == 302
        assert len(server.got) == 1

    def test_reads_up_to_a_limit(self, server: Server) -> None:
        server.answers = lambda *_: (200, {}, b"x" * 1_000_000)
        got = send(Call(method="GET", url=server.url), allowed=[server.host])
        assert len(got.body) == outgoing.MOST_BYTES

    def test_waits_up_to_a_deadline_however_slowly_it_drips(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as plain:
            done = threading.Event()

            def drip() -> None:
                connection, _ = plain.accept()
                with connection:
                    connection.sendall(b"HTTP/1.1 200 OK\r\n")
                    while not done.wait(0.05):
                        try:
                            connection.sendall(b"X: y\r\n")
                        except OSError:
                            return

            thread = threading.Thread(target=drip)
            thread.start()
            host = f"127.0.0.1:{plain.getsockname()[1]}"
            since = monotonic()
            with pytest.raises(OutgoingError, match="in time"):
                send(Call(method="GET", url=f"http://{host}/"), allowed=[host], deadline=0.3)
            done.set()
            thread.join()
        assert monotonic() - since < 3

    def test_says_why_there_is_no_answer(self, server: Server) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            host = f"127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(OutgoingError, match="ConnectionRefusedError"):
            send(Call(method="GET", url=f"http://{host}/"), allowed=[host])
        with pytest.raises(OutgoingError, match="encryption"):
            send(Call(method="GET", url=f"https://{server.host}/"), allowed=[server.host])
