"""Which identity an object id or a resource id means: tokens first, then the map."""

import logging
from dataclasses import dataclass, field

import pytest

from azwi_proxy import errors, tokens
from azwi_proxy.identities import Identity
from azwi_proxy.principals import Principals
from azwi_proxy.tokens import Moment, Said, Token

DEFAULT = Identity("11111111-1111-1111-1111-111111111111", "tenant")
MAPPED = Identity("22222222-2222-2222-2222-222222222222", "tenant")
FOREIGN = Identity("99999999-9999-9999-9999-999999999999", "tenant")
ITS_ID, OTHER_ID, NOBODYS = "aaaa-1", "aaaa-2", "aaaa-3"
RESOURCE = "/subscriptions/s/resourcegroups/g/i"
REFUSED = errors.Refused("AADSTS70021: no", status=401, error="invalid_request")
AWAY = errors.Unavailable("no answer", reason="timeout")


@dataclass
class World:
    """Entra ID's answers by identity, and the exchanges that were asked of it."""

    answers: dict[Identity, Said | errors.ProxyError]
    mapped: dict[str, dict[str, Identity]] = field(default_factory=dict)
    asked: list[Identity] = field(default_factory=list)

    def __post_init__(self) -> None:
        maps = {"object_id": {}, "msi_res_id": {}, **self.mapped}
        self.principals = Principals((DEFAULT, MAPPED), maps)

    async def get(self, identity: Identity) -> Token:
        self.asked.append(identity)
        answer = self.answers[identity]
        if isinstance(answer, errors.ProxyError):
            raise answer
        self.principals.learn(identity, answer)
        return Token("token", Moment(0, 0), 3600, 3600, 0, answer)

    async def find(self, value: str, parameter: str = "object_id") -> Identity:
        return await self.principals.find(parameter, value, self.get)


def said(object_id: str = "", resource_id: str = "") -> Said:
    return Said(object_id, resource_id, readable=True)


async def test_the_tokens_own_claim_says_whom_an_object_id_means() -> None:
    world = World({DEFAULT: said(ITS_ID), MAPPED: said(OTHER_ID)})
    assert await world.find(ITS_ID.upper()) == DEFAULT
    assert await world.find(OTHER_ID) == MAPPED


async def test_what_a_token_said_once_needs_no_exchange_again() -> None:
    world = World({DEFAULT: said(ITS_ID), MAPPED: said(OTHER_ID)})
    await world.find(ITS_ID)
    world.asked.clear()
    for value in (ITS_ID, OTHER_ID):
        await world.find(value)
    with pytest.raises(errors.IdentityNotFound):
        await world.find(NOBODYS)
    assert world.asked == []


async def test_a_token_that_was_got_for_another_request_teaches_too() -> None:
    world = World({DEFAULT: AWAY, MAPPED: AWAY})
    world.principals.learn(MAPPED, said(OTHER_ID))
    assert await world.find(OTHER_ID) == MAPPED
    assert world.asked == []


async def test_identities_that_are_not_the_pods_own_are_not_remembered() -> None:
    world = World({DEFAULT: said(ITS_ID), MAPPED: said(OTHER_ID)})
    world.principals.learn(FOREIGN, said(NOBODYS))
    with pytest.raises(errors.IdentityNotFound):
        await world.find(NOBODYS)


async def test_not_found_is_said_only_where_every_identity_is_known() -> None:
    world = World({DEFAULT: said(ITS_ID), MAPPED: REFUSED})
    with pytest.raises(errors.Refused, match="AADSTS70021"):
        await world.find(NOBODYS)
    assert await world.find(ITS_ID) == DEFAULT
    world.answers[MAPPED] = AWAY
    with pytest.raises(errors.Unavailable) as caught:
        await world.find(NOBODYS)
    assert caught.value.status == 503
    world.answers[MAPPED] = said(OTHER_ID)
    with pytest.raises(errors.IdentityNotFound):
        await world.find(NOBODYS)


async def test_the_map_is_asked_before_unknown_identities_are() -> None:
    world = World({DEFAULT: AWAY, MAPPED: said(OTHER_ID)}, mapped={"object_id": {OTHER_ID: MAPPED}})
    assert await world.find(OTHER_ID) == MAPPED
    assert world.asked == [MAPPED]


async def test_where_a_token_cannot_be_read_the_map_counts() -> None:
    world = World({DEFAULT: said(ITS_ID), MAPPED: Said()}, mapped={"object_id": {OTHER_ID: MAPPED}})
    assert await world.find(OTHER_ID) == MAPPED


async def test_a_wrong_entry_of_the_map_is_named_in_the_log_once_and_never_followed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(
        {DEFAULT: said(ITS_ID), MAPPED: said(OTHER_ID)}, mapped={"object_id": {NOBODYS: MAPPED}}
    )
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            with pytest.raises(errors.IdentityNotFound):
                await world.find(NOBODYS)
    (line,) = caplog.records
    assert line.message == "an entry of AZWI_IDENTITIES is wrong"
    assert vars(line)["fields"] == {
        "client": "22222222", "object_id": NOBODYS, "its_token_says": OTHER_ID
    }  # fmt: skip


def test_a_wrong_entry_is_named_by_the_first_token_of_its_identity(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World({}, mapped={"object_id": {NOBODYS: MAPPED}})
    world.principals.learn(DEFAULT, said(ITS_ID))
    assert not caplog.records
    world.principals.learn(MAPPED, said(OTHER_ID))
    assert len(caplog.records) == 1


@pytest.mark.parametrize("away", [DEFAULT, MAPPED])
async def test_an_identity_whose_token_cannot_be_had_hides_no_other(away: Identity) -> None:
    (other,) = {DEFAULT, MAPPED} - {away}
    world = World({away: AWAY, other: said(OTHER_ID)})
    assert await world.find(OTHER_ID) == other


async def test_an_entry_that_gives_an_identity_the_id_of_another_is_not_followed() -> None:
    world = World(
        {DEFAULT: said(ITS_ID), MAPPED: said(OTHER_ID)}, mapped={"object_id": {ITS_ID: MAPPED}}
    )
    assert await world.find(ITS_ID) == DEFAULT


async def test_the_error_of_a_mapped_identity_is_the_answer() -> None:
    world = World(
        {DEFAULT: said(ITS_ID), MAPPED: REFUSED}, mapped={"object_id": {OTHER_ID: MAPPED}}
    )
    with pytest.raises(errors.Refused, match="AADSTS70021"):
        await world.find(OTHER_ID)


async def test_a_token_that_cannot_be_read_and_no_map_is_a_sentence_and_not_not_found() -> None:
    world = World({DEFAULT: said(ITS_ID), MAPPED: Said()})
    with pytest.raises(errors.Refused) as caught:
        await world.find(NOBODYS)
    assert caught.value.status == 401
    assert "object_id is that of 22222222 cannot be told" in caught.value.description
    assert "AZWI_IDENTITIES" in caught.value.description
    world.answers[MAPPED] = said(NOBODYS)
    assert await world.find(NOBODYS) == MAPPED


async def test_an_unreadable_token_takes_nothing_back() -> None:
    world = World({DEFAULT: said(ITS_ID), MAPPED: said(OTHER_ID)})
    await world.find(ITS_ID)
    world.principals.learn(DEFAULT, Said())
    assert await world.find(ITS_ID) == DEFAULT
    await world.find(OTHER_ID)
    world.asked.clear()
    with pytest.raises(errors.IdentityNotFound):
        await world.find(NOBODYS)
    assert world.asked == []


async def test_what_one_token_does_not_say_another_may_have_said() -> None:
    world = World({DEFAULT: said(ITS_ID), MAPPED: said(OTHER_ID)})
    await world.find(ITS_ID)
    world.principals.learn(MAPPED, said("", RESOURCE))
    assert await world.find(RESOURCE, "msi_res_id") == MAPPED
    assert await world.find(OTHER_ID) == MAPPED


async def test_of_several_failures_the_default_identitys_is_told() -> None:
    world = World({DEFAULT: AWAY, MAPPED: REFUSED})
    with pytest.raises(errors.Unavailable):
        await world.find(NOBODYS)


async def test_a_readable_token_without_an_object_id_leaves_it_unknown() -> None:
    world = World({DEFAULT: said(ITS_ID), MAPPED: said("", RESOURCE)})
    with pytest.raises(errors.Refused, match="cannot be told"):
        await world.find(NOBODYS)


async def test_an_entry_that_is_right_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    right = {"object_id": {OTHER_ID: MAPPED}, "msi_res_id": {RESOURCE: MAPPED}}
    world = World({DEFAULT: said(ITS_ID), MAPPED: said(OTHER_ID, RESOURCE)}, mapped=right)
    assert await world.find(OTHER_ID) == await world.find(RESOURCE, "msi_res_id") == MAPPED
    assert caplog.records == []


@pytest.mark.parametrize("parameter", ["object_id", "msi_res_id"])
@pytest.mark.parametrize("value", ["", "/", "///"])
async def test_a_value_that_names_nothing_is_not_what_tokens_leave_unsaid(
    parameter: str, value: str
) -> None:
    world = World({DEFAULT: said(), MAPPED: said(OTHER_ID)})
    world.principals.learn(DEFAULT, said())
    world.principals.learn(MAPPED, said(OTHER_ID))
    with pytest.raises(errors.IdentityNotFound):
        await world.find(value, parameter)


async def test_resource_ids_are_found_in_tokens_that_carry_them() -> None:
    world = World({DEFAULT: said(ITS_ID), MAPPED: said(OTHER_ID, RESOURCE)})
    assert await world.find(RESOURCE.upper() + "/", "msi_res_id") == MAPPED


async def test_an_application_has_no_resource_id_to_wait_for() -> None:
    world = World({DEFAULT: said(ITS_ID), MAPPED: said(OTHER_ID)})
    with pytest.raises(errors.IdentityNotFound):
        await world.find(RESOURCE, "msi_res_id")


async def test_the_map_gives_an_application_a_resource_id_that_no_token_has() -> None:
    world = World(
        {DEFAULT: said(ITS_ID), MAPPED: said(OTHER_ID)}, mapped={"msi_res_id": {RESOURCE: MAPPED}}
    )
    assert await world.find(RESOURCE, "msi_res_id") == MAPPED


async def test_a_bug_is_not_taken_for_a_refusal() -> None:
    world = World({DEFAULT: said(ITS_ID), MAPPED: said(OTHER_ID)})

    async def broken(_: Identity) -> Token:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        await world.principals.find("object_id", NOBODYS, broken)


def test_what_a_token_says_is_nothing_by_default() -> None:
    token = tokens.Token("t", Moment(0, 0), 1, 1, 0)
    assert (token.said.of("object_id"), token.said.readable) == ("", False)
