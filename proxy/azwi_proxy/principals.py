"""Which of the pod's identities an object id or a resource id means.

Some clients can name an identity in no other way: ODBC drivers, DuckDB, old SqlClient. The tokens
themselves say it: their ``oid`` claim is the object id of the identity's service principal, and a
managed identity's token has its resource id in ``xms_mirid``. Neither ever changes for a client id,
so what a token said is remembered, for the default identity and those of the map alone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping

from azwi_common.logs import short
from azwi_proxy import errors, imds
from azwi_proxy.identities import Identity
from azwi_proxy.tokens import Said, Token

Get = Callable[[Identity], Awaitable[Token]]
"""A token for an identity; what it says has been learnt. Raises errors.ProxyError."""

log = logging.getLogger("azwi_proxy")


class Principals:
    """What is known of the pod's own identities; learns from each of their tokens."""

    def __init__(
        self, own: Collection[Identity], mapped: Mapping[str, Mapping[str, Identity]]
    ) -> None:
        """``mapped``: what AZWI_IDENTITIES says, by parameter and value."""
        self._own = own
        self._mapped = mapped
        self._said: dict[Identity, Said] = {}
        self._reported: set[tuple[str, str]] = set()

    def learn(self, identity: Identity, said: Said) -> None:
        """Remember what a token says of one of the pod's identities; report a wrong entry."""
        if identity not in self._own:
            return
        before = self._said.get(identity, said)
        self._said[identity] = said = Said(
            said.object_id or before.object_id,
            said.resource_id or before.resource_id,
            said.readable or before.readable,
        )
        for parameter, entries in self._mapped.items():
            for value, entry in entries.items():
                if entry == identity and self._contradicts(parameter, value, entry):
                    self._report(parameter, value, entry)

    async def find(self, parameter: str, value: str, get: Get) -> Identity:
        """Return the identity that ``value`` means; ``get`` is asked where that is not known yet.

        Raises errors.IdentityNotFound only if the ids of every identity are known and none is
        ``value``: old Python SDKs never ask again after it. Else raises why one is not known.
        """
        value = value.rstrip("/").lower()
        if not value:  # tokens that say nothing would match it
            raise errors.IdentityNotFound
        if found := self._claimed(parameter, value):
            return found
        entry = self._mapped[parameter].get(value)
        if entry and await self._is_right(parameter, value, entry, get):
            return entry
        failures = await self._learn_all(parameter, get)
        if found := self._claimed(parameter, value):
            return found
        if failures:
            raise failures[0]
        for identity in self._own:
            if not self._knows(identity, parameter):
                raise _unreadable(identity, parameter)
        raise errors.IdentityNotFound

    def _claimed(self, parameter: str, value: str) -> Identity | None:
        """The identity whose token says ``value``."""
        for identity, said in self._said.items():
            if said.of(parameter) == value:
                return identity
        return None

    def _knows(self, identity: Identity, parameter: str) -> bool:
        """Whether a token has said it; an application's has no resource id to say."""
        said = self._said.get(identity)
        if said is None or not said.readable:
            return False
        return parameter == imds.RESOURCE_ID or said.of(parameter) != ""

    async def _is_right(self, parameter: str, value: str, entry: Identity, get: Get) -> bool:
        """Whether the map's entry is not contradicted by its token; unreadable ones do not."""
        if not self._knows(entry, parameter):
            await get(entry)
        return not self._contradicts(parameter, value, entry)

    async def _learn_all(self, parameter: str, get: Get) -> list[errors.ProxyError]:
        """Get a token of each identity that is not known yet; why some could not be had."""
        unknown = [one for one in self._own if not self._knows(one, parameter)]
        answers = await asyncio.gather(*map(get, unknown), return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        for failure in failures:
            if not isinstance(failure, errors.ProxyError):
                raise failure
        return [failure for failure in failures if isinstance(failure, errors.ProxyError)]

    def _contradicts(self, parameter: str, value: str, entry: Identity) -> bool:
        """Whether the token of ``entry`` says something else; silence is no contradiction."""
        said = self._said.get(entry)
        return said is not None and said.of(parameter) not in ("", value)

    def _report(self, parameter: str, value: str, entry: Identity) -> None:
        if (parameter, value) in self._reported:
            return
        self._reported.add((parameter, value))
        fields = {
            "client": short(entry.client_id),
            parameter: value,
            "its_token_says": self._said[entry].of(parameter),
        }
        log.error("an entry of AZWI_IDENTITIES is wrong", extra={"fields": fields})


def _unreadable(identity: Identity, parameter: str) -> errors.Refused:
    return errors.Refused(
        f"Whether this {parameter} is that of {short(identity.client_id)} cannot be told: its token"
        " for this resource does not say. Add it to AZWI_IDENTITIES, or ask by client_id.",
        status=401,
        error="invalid_request",
    )
