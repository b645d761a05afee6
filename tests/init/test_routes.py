"""The kernel's routes: asked, one added where a pod has none, and only that one removed."""

import socket
from typing import Any

import pytest

from azwi_init import routes

pytestmark = pytest.mark.netns

SHOW = "from azwi_init import routes; print({what})"
METADATA = "169.254.169.254"


@pytest.fixture
def bare_pod(pod: Any) -> Any:
    """A pod as an IPv6-only cluster makes it: no IPv4 address but lo's own, and no route."""
    pod.do("ip", "address", "flush", "dev", "lo", "scope", "global")
    return pod


def link(pod: Any) -> None:
    pod.do("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "node")
    for device in ("eth0", "node"):
        pod.do("ip", "link", "set", device, "up")


def show(pod: Any, what: str, caps: str | None = None) -> str:
    output: str = pod.python("-c", SHOW.format(what=what), caps=caps).output
    return output.strip()


def route(pod: Any) -> str:
    listed: str = pod.do("ip", "route", "show", "exact", f"{METADATA}/32")
    return listed.strip()


def test_a_pod_without_a_route_gets_one_over_loopback_and_requests_of_every_user_arrive(
    bare_pod: Any,
) -> None:
    bare_pod.do("ip", "-6", "address", "add", "fd00::2/64", "dev", "lo")

    outcome = bare_pod.init(caps="net_admin")
    bare_pod.serve("127.0.0.1:8000:azwi-proxy")

    assert (outcome.code, outcome.lines[0]["route_added"]) == (0, True)
    assert route(bare_pod) == f"{METADATA} dev lo proto {routes.PROTOCOL} scope host src 127.0.0.1"
    assert {bare_pod.ask(uid=uid) for uid in (0, 1000, 65534)} == {"azwi-proxy"}


def test_running_twice_adds_one_route(bare_pod: Any) -> None:
    first, again = bare_pod.init(), bare_pod.init()

    assert (first.code, again.code) == (0, 0)
    assert [first.lines[0]["route_added"], again.lines[0]["route_added"]] == [True, False]
    assert route(bare_pod).count("dev lo") == 1


def test_a_pod_with_a_route_gets_none(bare_pod: Any) -> None:
    link(bare_pod)
    bare_pod.do("ip", "address", "add", "10.0.0.2/24", "dev", "eth0")
    bare_pod.do("ip", "route", "add", "default", "via", "10.0.0.1")

    outcome = bare_pod.init()

    assert (outcome.code, outcome.lines[0]["route_added"]) == (0, False)
    assert route(bare_pod) == ""


def test_a_pod_that_is_kept_from_the_address_gets_no_way_around_it(bare_pod: Any) -> None:
    bare_pod.do("ip", "route", "add", "unreachable", "default")

    assert bare_pod.init().code == 1
    assert route(bare_pod) == ""


def test_cleaning_up_removes_our_route(bare_pod: Any) -> None:
    assert bare_pod.init().code == 0

    first, again = bare_pod.init("--cleanup"), bare_pod.init("--cleanup")

    assert [(done.code, done.lines[0]["route"]) for done in (first, again)] == [
        (0, True),
        (0, False),
    ]
    assert route(bare_pod) == ""


@pytest.mark.parametrize("protocol", ["static", "boot", "168"])
def test_cleaning_up_leaves_the_same_route_of_somebody_else(bare_pod: Any, protocol: str) -> None:
    theirs = ("dev", "lo", "scope", "host", "src", "127.0.0.1", "proto", protocol)
    bare_pod.do("ip", "route", "add", f"{METADATA}/32", *theirs)
    before = route(bare_pod)

    done = bare_pod.init("--cleanup")

    assert (done.code, done.lines[0]["route"]) == (0, False)
    assert route(bare_pod) == before != ""


@pytest.mark.parametrize("step", ["ensure", "remove"])
def test_without_net_admin_it_is_a_sentence(bare_pod: Any, step: str) -> None:
    told = (
        "from azwi_init import routes, errors\n"
        f"try: routes.{step}('{METADATA}')\nexcept errors.NotPermitted as error: print(error)"
    )

    assert "NET_ADMIN" in bare_pod.python("-c", told, caps="net_raw").output


def test_the_kernels_refusals_are_told_apart(bare_pod: Any) -> None:
    def refusal() -> str:
        return show(bare_pod, f"routes.ask('{METADATA}')")

    told = {"none": refusal()}
    for kind in ("unreachable", "blackhole", "prohibit"):
        bare_pod.do("ip", "route", "add", kind, METADATA)
        told[kind] = refusal()
        bare_pod.do("ip", "route", "delete", kind, METADATA)

    assert told == {kind: kind for kind in told}


def test_a_route_is_told_with_its_device_gateway_and_source(bare_pod: Any) -> None:
    link(bare_pod)
    bare_pod.do("ip", "address", "add", "10.0.0.2/24", "dev", "eth0")
    bare_pod.do("ip", "route", "add", "default", "via", "10.0.0.1")

    assert show(bare_pod, f"routes.ask('{METADATA}')") == "over eth0 via 10.0.0.1 from 10.0.0.2"


def test_an_address_is_never_read_as_another_part_of_the_answer(bare_pod: Any) -> None:
    link(bare_pod)
    looks_like_a_gateway = f"8.0.{routes._GATEWAY}.0"  # length and kind of an attribute
    bare_pod.do("ip", "address", "add", f"{looks_like_a_gateway}/8", "dev", "eth0")
    bare_pod.do("ip", "route", "add", "default", "dev", "eth0")

    said = show(bare_pod, f"routes.ask('{METADATA}')")
    assert said == f"over eth0 from {looks_like_a_gateway}"


def test_where_a_route_names_no_source_the_socket_does(pod: Any) -> None:
    asked = f"[setattr(routes, '_PREFSRC', 99)] and routes.ask('{METADATA}')"

    assert show(pod, asked) == f"over lo from {METADATA}"


def test_a_route_without_a_source_address_is_told_as_such(bare_pod: Any) -> None:
    link(bare_pod)
    bare_pod.do("ip", "route", "add", METADATA, "dev", "eth0")

    assert show(bare_pod, f"routes.ask('{METADATA}')") == "over eth0 from no address"


def test_another_users_route_needs_no_capability(bare_pod: Any) -> None:
    bare_pod.do("ip", "rule", "add", "uidrange", "1000-1000", "prohibit")
    asked = f"routes.ask('{METADATA}'), '-', routes.ask('{METADATA}', 1000)"

    assert show(bare_pod, f"*map(str, ({asked}))", caps="") == "none - prohibit"


def test_ip_rules_by_user_are_named_and_others_are_not(bare_pod: Any) -> None:
    bare_pod.do("ip", "rule", "add", "uidrange", "5-9", "priority", "77", "lookup", "main")
    bare_pod.do("ip", "rule", "add", "fwmark", "1", "priority", "78", "lookup", "main")

    assert show(bare_pod, "routes.rules_by_user()") == "['ip rule 77 (UIDs 5-9)']"


def test_loopback_that_is_down_is_told(bare_pod: Any) -> None:
    up = show(bare_pod, "routes.loopback_is_up()")
    bare_pod.do("ip", "link", "set", "lo", "down")

    assert (up, show(bare_pod, "routes.loopback_is_up()")) == ("True", "False")
    assert show(bare_pod, f"routes.ensure('{METADATA}')") == "False"


WITHOUT_SOURCES = f"""
import errno
from azwi_init import routes
talk, source = routes._talk, routes._attribute(routes._PREFSRC, bytes((127, 0, 0, 1)))
routes._talk = lambda kind, message, flags=0: (
    errno.EOPNOTSUPP if source in message else talk(kind, message, flags)
)
print(routes.ensure("{METADATA}"))
"""


def test_where_routes_know_no_source_one_is_added_without(bare_pod: Any) -> None:
    assert bare_pod.python("-c", WITHOUT_SOURCES).output == "True\n"
    assert route(bare_pod) == f"{METADATA} dev lo proto {routes.PROTOCOL} scope host"


FORGETFUL = f"""
from azwi_init import routes
talk = routes._talk
def forget(kind, message, flags=0):
    answer = talk(kind, message, flags)
    if kind == routes._RTM_GETROUTE and isinstance(answer, bytes):
        return answer[:routes._PROTOCOL_AT] + bytes(1) + answer[routes._PROTOCOL_AT + 1:]
    return answer
routes._talk = forget
routes.PROTOCOL = 3
print(routes.remove("{METADATA}"))
routes._talk = talk
print(routes.remove("{METADATA}"))
"""


def test_where_the_kernel_keeps_no_protocol_of_routes_none_is_removed(bare_pod: Any) -> None:
    # gVisor's RTM_DELROUTE ignores the protocol as well; here it is that of theirs
    bare_pod.do("ip", "route", "add", METADATA, "dev", "lo", "scope", "host")

    assert bare_pod.python("-c", FORGETFUL).output == "False\nTrue\n"


@pytest.mark.parametrize("table", ["main", "9"])
def test_cleaning_up_finds_our_route_behind_others(bare_pod: Any, table: str) -> None:
    assert bare_pod.init().code == 0
    other = ("prohibit",) if table == "9" else ("unreachable",)
    bare_pod.do("ip", "route", "add", *other, METADATA, "table", table, "metric", "5")
    bare_pod.do("ip", "rule", "add", "priority", "5", "lookup", "9")

    assert bare_pod.init("--cleanup").lines[0]["route"] is True
    assert "proto 169" not in bare_pod.do("ip", "route")


def test_a_sandbox_without_rtnetlink_tells_nothing_and_gets_no_route(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "NETLINK_ROUTE", 31)  # a protocol that no kernel has

    assert routes.ask(METADATA) is None
    assert routes.ensure(METADATA) is False
    assert routes.remove(METADATA) is False
    assert routes.loopback_is_up() is True
    assert routes.rules_by_user() == []
