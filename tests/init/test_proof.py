"""The proof, on real sockets; loopback stands in where no namespace is needed."""

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from azwi_init import errors, proof
from azwi_testing import free_port

BOTH_WAYS = "own bytes arrived and came back"
READY = b"HTTP/1.1 200 OK\r\nDate: today\r\nserver:  azwi-proxy \r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "PAUSE", 0.1)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what never comes; what does come has the time that it has in a pod."""
    for name in ("ARRIVE", "ANSWER"):
        monkeypatch.setattr(proof, name, 0.1)


@pytest.fixture(name="free_port")
def a_free_port() -> int:
    return free_port()


@contextlib.contextmanager
def holder(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port that somebody holds, who treats every connection with ``answer``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):  # the listener was closed: done
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def say(text: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(text)

    return answer


def test_own_bytes_that_arrive_prove_the_redirect(free_port: int) -> None:
    assert proof.prove(("127.0.0.1", free_port), free_port) == BOTH_WAYS


def test_the_proof_leaves_the_port_free_for_the_proxy_at_once(free_port: int) -> None:
    proof.prove(("127.0.0.1", free_port), free_port)

    with socket.socket() as proxy:  # without SO_REUSEADDR: not even a closing connection is left
        proxy.bind(("127.0.0.1", free_port))


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_somebody_else_answers_is_no_proof(free_port: int) -> None:
    with (
        holder(say(READY)) as real_metadata_service,
        pytest.raises(
            errors.NotRedirected, match="it was answered by somebody else: look for rules of"
        ),
    ):
        proof.prove(("127.0.0.1", real_metadata_service), free_port)


def relay(port: int, answer: Callable[[bytes], bytes]) -> Callable[[socket.socket], None]:
    """Somebody between, who hands bytes on to the port and makes ``answer`` of what comes back."""

    def hand_on(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as there:
            there.sendall(connection.recv(16))
            if given := answer(there.recv(16)):
                connection.sendall(given)
            else:
                connection.recv(1)  # until the other side leaves

    return hand_on


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda _: b"x" * 16, "did not arrive at the proxy's port: it was answered by somebody"),
        (lambda back: back[:15], "did not arrive at the proxy's port: it was answered by somebody"),
        (lambda _: b"", "arrived at the proxy's port, but no answer came back"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_another_answer_than_the_listeners_is_no_proof(
    free_port: int, answer: Callable[[bytes], bytes], said: str
) -> None:
    with (
        holder(relay(free_port, answer)) as between,
        pytest.raises(errors.NotRedirected, match=said),
    ):
        proof.prove(("127.0.0.1", between), free_port)


def test_all_users_together_have_the_time_of_one_try(
    free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "TRY", 0.1)
    began = time.monotonic()

    with holder(relay(free_port, lambda _: b"")) as between, pytest.raises(errors.NotRedirected):
        proof.prove(("127.0.0.1", between), free_port)

    assert time.monotonic() - began < 2 * proof.ARRIVE  # what one user would wait in two tries


def test_a_try_whose_time_is_over_has_timed_out(
    free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "TRY", -1.0)

    with pytest.raises(errors.NotRedirected, match="it timed out"):
        proof.prove(("127.0.0.1", free_port), free_port)


def test_bytes_that_somebody_hands_on_both_ways_are_proof() -> None:
    # Known limit (docs/limits.md): a mesh's own proxy may stand between.
    port = free_port()
    with holder(relay(port, lambda back: back)) as between:
        assert proof.prove(("127.0.0.1", between), port) == BOTH_WAYS


def test_a_connection_that_is_refused_is_no_proof(free_port: int) -> None:
    with pytest.raises(errors.NotRedirected, match=r"127\.0\.0\.1:1 did not arrive .*was refused"):
        proof.prove(("127.0.0.1", 1), free_port)


@pytest.mark.netns
def test_a_connection_that_nobody_answers_is_no_proof(pod: Any) -> None:
    pod.do(
        "nft",
        "add table ip t; add chain ip t o { type filter hook output priority 0; };"
        " add rule ip t o ip daddr 127.0.0.1 tcp dport 8000 drop",
    )
    began = time.monotonic()

    outcome = pod.init()

    assert outcome.code == 1
    assert "169.254.169.254:80 did not arrive at the proxy's port: it timed out" in outcome.sentence
    assert time.monotonic() - began < 10


ANSWERLESS = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 8000))
app = socket.create_connection(("169.254.169.254", 80), 2)
app.sendall(b"GET")
arrived, who = listener.accept()
print(who[0], arrived.recv(3))
arrived.sendall(b"200")
app.settimeout(0.5)
try:
    print(app.recv(3))
except TimeoutError:
    print("no answer")
"""


@pytest.mark.netns
def test_bytes_that_arrive_are_no_proof_where_no_answer_can_come_back(pod: Any) -> None:
    pod.do("ip", "address", "flush", "dev", "lo", "scope", "global")
    pod.do("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "node")
    for device in ("eth0", "node"):
        pod.do("ip", "link", "set", device, "up")
    pod.do("ip", "route", "add", "169.254.169.254", "dev", "eth0")
    began = time.monotonic()

    outcome = pod.init()

    assert outcome.code == 1
    assert (
        "169.254.169.254:80 arrived at the proxy's port, but no answer came back; the route to that"
        " address leads over eth0, but the pod has no IPv4 address to which an answer could come"
        " back (route: over eth0 from no address; lo: up;"
    ) in outcome.sentence
    assert outcome.sentence.endswith(
        ": give the pod an IPv4 address; or remove that route, and azwi-proxy-init adds one over"
        " lo."
    )
    assert time.monotonic() - began < 10
    # what an app would have met, had the init container let it start
    assert pod.do(sys.executable, "-ISc", ANSWERLESS) == "0.0.0.0 b'GET'\nno answer\n"


def by_user(uid: int) -> str:
    return (
        "add table ip guard; add chain ip guard out { type nat hook output priority -150; };"
        f" add rule ip guard out meta skuid {uid} ip daddr 169.254.169.254"
        " tcp dport 80 redirect to :15001"
    )


@pytest.mark.netns
@pytest.mark.parametrize(
    ("taken", "exempt", "code"), [(1000, "1501", 1), (1000, "1000", 0), (1001, "1000", 1)]
)
def test_a_rule_that_sends_only_an_ordinary_user_elsewhere_fails_the_proof(
    pod: Any, taken: int, exempt: str, code: int
) -> None:
    pod.do("nft", by_user(taken))

    outcome = pod.init(caps="net_admin setuid", PROXY_UID=exempt)

    assert outcome.code == code
    if code:
        assert f"a connection of UID {taken} to 169.254.169.254:80 did not" in outcome.sentence
        assert "table ip guard, chain out, priority -150, decides before our" in outcome.sentence


@pytest.mark.netns
def test_an_ip_rule_that_sends_only_an_ordinary_user_elsewhere_fails_the_proof(pod: Any) -> None:
    # the address on lo is found in the table local, which comes before every rule
    pod.do("ip", "address", "delete", "169.254.169.254/32", "dev", "lo")
    pod.do("ip", "rule", "add", "uidrange", "1000-1000", "prohibit")

    outcome = pod.init(caps="net_admin setuid")

    assert outcome.code == 1
    assert "a connection of UID 1000 to 169.254.169.254:80 did not arrive" in outcome.sentence
    assert "a route or an ip rule of type prohibit forbids that address" in outcome.sentence


@pytest.mark.netns
def test_a_running_proxy_must_answer_an_ordinary_user_too(pod: Any) -> None:
    pod.serve("127.0.0.1:8000:azwi-proxy", "127.0.0.1:15001:mesh")
    pod.do("nft", by_user(1000))

    outcome = pod.init(caps="net_admin setuid")

    assert outcome.code == 1
    assert "of UID 1000 to 169.254.169.254:80 did not arrive" in outcome.sentence


@pytest.mark.netns
def test_where_no_other_user_can_be_tried_what_may_treat_users_differently_is_named(
    pod: Any,
) -> None:
    pod.do("nft", by_user(1000))
    pod.do("ip", "rule", "add", "uidrange", "1000-1010", "priority", "77", "lookup", "main")

    outcome = pod.init(caps="net_admin")

    warned, done = outcome.lines
    assert (outcome.code, warned["level"], done["level"]) == (0, "warning", "info")
    assert str(warned["msg"]).startswith(
        "the redirect is proven for this user only: table ip guard, chain out, priority -150; ip"
        " rule 77 (UIDs 1000-1010) may send other users elsewhere"
    )


@pytest.mark.netns
def test_where_another_user_was_tried_nothing_is_named(pod: Any) -> None:
    pod.do("nft", by_user(2000))

    (line,) = pod.init(caps="net_admin setuid").lines

    assert line["level"] == "info"


@pytest.mark.netns
def test_without_rules_of_others_nothing_is_named(pod: Any) -> None:
    pod.do("nft", by_user(1000).replace("-150", "-100"))

    (line,) = pod.init(caps="net_admin").lines

    assert line["level"] == "info"


@pytest.mark.netns
def test_the_user_of_the_proof_is_only_a_sockets(pod: Any) -> None:
    tried = "from azwi_init import proof; s = proof._socket_of(1000); import os"
    shown = "print(os.fstat(s.fileno()).st_uid, os.geteuid(), proof.may_be(1000))"

    assert pod.python("-c", f"{tried}; {shown}", caps="setuid").output == "1000 0 True\n"
    assert pod.python("-c", f"{tried}; {shown}", caps="net_admin").output == "0 0 False\n"


@contextlib.contextmanager
def apps_that_ask(port: int) -> Iterator[None]:
    """Three apps that send token requests to the port without a pause."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError), socket.socket() as app:
                app.settimeout(0.2)
                app.connect(("127.0.0.1", port))
                app.sendall(b"GET /metadata/identity/oauth2/token HTTP/1.1\r\n\r\n")
                app.recv(10)

    apps = [threading.Thread(target=ask) for _ in range(3)]
    for app in apps:
        app.start()
    try:
        yield
    finally:
        stop.set()
        for app in apps:
            app.join()


def test_requests_of_apps_that_come_meanwhile_do_not_disturb_the_proof(free_port: int) -> None:
    with apps_that_ask(free_port):
        assert proof.prove(("127.0.0.1", free_port), free_port) == BOTH_WAYS


def test_connections_that_stay_silent_do_not_disturb_the_proof(
    free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = proof._connection
    with contextlib.ExitStack() as stack:

        def after_a_silent_one(metadata: proof.Address, *more: Any) -> socket.socket:
            stack.enter_context(connect(metadata, *more))
            return connect(metadata, *more)

        monkeypatch.setattr(proof, "_connection", after_a_silent_one)

        assert proof.prove(("127.0.0.1", free_port), free_port) == BOTH_WAYS


@pytest.mark.usefixtures("impatient")
def test_requests_of_apps_that_come_meanwhile_are_no_proof(free_port: int) -> None:
    with (
        holder(say(READY)) as real_metadata_service,
        apps_that_ask(free_port),
        pytest.raises(errors.NotRedirected, match="it was answered by somebody else"),
    ):
        proof.prove(("127.0.0.1", real_metadata_service), free_port)


def test_a_running_proxy_that_holds_the_port_proves_the_redirect_by_its_answer() -> None:
    with holder(say(READY)) as port:
        assert proof.prove(("127.0.0.1", port), port) == "azwi-proxy answered"


def test_a_proxy_that_answers_at_the_second_try_is_proof_enough() -> None:
    answers = [b"", READY]

    with holder(lambda connection: say(answers.pop(0))(connection)) as port:
        assert proof.prove(("127.0.0.1", port), port) == "azwi-proxy answered"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\nServer: azwi-proxy\r\n",
        b"HTTP/1.1 200 OK\r\nServer: Apache\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nServer: azwi\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nServer: azwi-proxy\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Server: azwi-proxy\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
        b"x" * 20_000,
    ],
)
def test_a_port_held_by_anything_else_is_taken(answer: bytes) -> None:
    with holder(say(answer)) as port, pytest.raises(errors.PortTaken) as caught:
        proof.prove(("127.0.0.1", port), port)

    assert str(caught.value).startswith(f"port {port} is taken by something that is not azwi-proxy")


def listen_only(connection: socket.socket) -> None:
    """Until the other side leaves."""
    while connection.recv(4096):
        pass


@pytest.mark.usefixtures("impatient")
def test_a_port_held_by_something_silent_is_taken() -> None:
    with (
        holder(listen_only) as port,
        pytest.raises(errors.PortTaken, match="a connection there timed out"),
    ):
        proof.prove(("127.0.0.1", port), port)


@pytest.mark.netns
def test_init_runs_again_beside_a_running_proxy(pod: Any) -> None:
    assert pod.init().code == 0
    pod.serve("127.0.0.1:8000:azwi-proxy", "169.254.169.254:80:imds")

    outcome = pod.init()

    assert (outcome.code, outcome.lines[0]["proof"]) == (0, "azwi-proxy answered")


@pytest.mark.netns
def test_a_redirect_that_others_rules_take_from_a_running_proxy_is_not_blamed_on_its_port(
    pod: Any,
) -> None:
    pod.do(
        "nft",
        "add table ip t; add chain ip t o { type nat hook output priority -150; };"
        " add rule ip t o ip daddr 169.254.169.254 tcp dport 80 redirect to :15001",
    )
    pod.serve("127.0.0.1:8000:azwi-proxy", "127.0.0.1:15001:mesh")

    outcome = pod.init()

    assert outcome.code == 1
    assert outcome.sentence == (
        "the rules are set, but a connection to 169.254.169.254:80 did not arrive at the proxy's"
        " port: it was answered by somebody else; table ip t, chain o, priority -150, decides"
        " before our rules (route: over lo from 169.254.169.254; lo: up; first NAT chain: table ip"
        " t, chain o, priority -150; policy that drops: none): except 169.254.169.254 from the"
        " rules that come first."
    )


@pytest.mark.netns
def test_a_taken_port_is_a_sentence_and_a_failure(pod: Any) -> None:
    pod.serve("127.0.0.1:8000:nginx")

    outcome = pod.init()

    assert outcome.code == 1
    assert outcome.sentence == (
        "port 8000 is taken by something that is not azwi-proxy (a connection there was"
        " answered by somebody else): free that port, or give the proxy another PROXY_PORT."
    )


@pytest.mark.netns
def test_a_port_that_may_not_be_listened_on_is_a_sentence(pod: Any) -> None:
    pod.do("sysctl", "-q", "net.ipv4.ip_unprivileged_port_start=1024")

    outcome = pod.init(caps="net_admin", PROXY_PORT="81")

    assert outcome.code == 1
    assert "port 81 cannot be listened on (Permission denied)" in outcome.sentence
