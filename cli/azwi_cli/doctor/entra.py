"""Asks Entra ID and ARM for the identities of pods, as ``azwi sa list`` does; never for long.

What they do not tell is a fact too: the doctor goes on without it.
"""

import dataclasses
import queue
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from azwi_cli import errors, kube, output
from azwi_cli.doctor import identities
from azwi_cli.doctor.facts import Asked, Facts, Unread
from azwi_cli.doctor.identities import Identity
from azwi_cli.serviceaccount.accounts import Accounts
from azwi_cli.serviceaccount.directory import Directory
from azwi_cli.serviceaccount.login import Login
from azwi_cli.serviceaccount.options import Auth, AuthMethod
from azwi_cli.serviceaccount.peers import Peers
from azwi_common.identities import GUID

T = TypeVar("T")
_Outcome = tuple[T | None, BaseException | None]

PATIENCE: float = 30.0  # seconds for all identities together
QUIET: float = 3.0  # seconds; then whoever waits is told for whom
_RIGHTS = (
    "Reading needs Application.Read.All of Microsoft Graph, or Reader on the managed identity and"
    " its --subscription-id."
)
_TENANT = "Log in to the pod's tenant, or name it with --tenant-id."


def is_at_hand(auth: Auth) -> bool:
    """Whether somebody may be logged in: by flags, or by the Azure CLI where it is installed."""
    return auth.auth_method is not AuthMethod.CLI or shutil.which("az") is not None


def completed(found: Sequence[Facts], auth: Auth, *, is_asked_for: bool) -> list[Facts]:
    """``found`` with the identities of each.

    Where nobody asked for it and nobody is logged in, there is a note and nothing else. Raises
    BadInput for flags that are wrong.
    """
    wanted = [identities.of(facts) for facts in found]
    each = dict.fromkeys(one for several in wanted for one in several)
    if not each:
        return list(found)
    until = time.monotonic() + PATIENCE
    try:
        directory = Directory(Peers(Login(auth), Accounts(kube.Cluster)))
        asked = {one: _asked(directory, one, until, is_asked_for) for one in each}
    except (errors.NoLogin, errors.BadInput) as error:
        if is_asked_for:
            raise
        output.note(f"Federated credentials were not compared. {error}")
        return list(found)
    return [
        dataclasses.replace(facts, entra=[asked[one] for one in several])
        for facts, several in zip(found, wanted, strict=True)
    ]


def _asked(directory: Directory, one: Identity, until: float, is_asked_for: bool) -> Asked:
    try:
        return _in_time(lambda: _looked_up(directory, one), until - time.monotonic())
    except errors.AzwiError as error:
        if isinstance(error, errors.NoLogin) and not is_asked_for:
            raise
        remedy = _RIGHTS if isinstance(error, errors.Forbidden) else error.remedy
        return Asked(client_id=one.client_id, found=Unread(error.says), remedy=remedy)


def _looked_up(directory: Directory, one: Identity) -> Asked:
    """Raises AzwiError where nobody may say."""
    mine = directory.tenant_id
    is_guid = GUID.fullmatch(one.tenant_id) is not None
    if is_guid and GUID.fullmatch(mine) and one.tenant_id != mine.lower():
        raise errors.NotFound(f"azwi is logged in to another tenant than {one.tenant_id}.", _TENANT)
    known = directory.look_up(one.client_id)
    if known is None:
        if one.tenant_id and not is_guid and one.tenant_id != mine.lower():
            raise errors.NotFound(
                f"It is not in the tenant {mine}, which may be another than {one.tenant_id}.",
                _TENANT,
            )
        return Asked(client_id=one.client_id, found=None, tenant_id=mine)
    return Asked(client_id=one.client_id, found=known.target, credentials=known.credentials)


def _in_time(act: Callable[[], T], seconds: float) -> T:
    """The result of ``act``; what takes longer goes on in its thread, and nobody waits for it."""
    ended: queue.SimpleQueue[_Outcome[T]] = queue.SimpleQueue()

    def run() -> None:
        try:
            ended.put((act(), None))
        except BaseException as error:  # noqa: BLE001  # raised again by whoever waits
            ended.put((None, error))

    try:
        if seconds <= 0:
            raise queue.Empty
        threading.Thread(target=run, daemon=True).start()
        result, error = _first(ended, seconds)
    except queue.Empty:
        raise errors.Unavailable(
            f"Azure gave no answer in {PATIENCE:g} s.", "Run it again in a while."
        ) from None
    if error is not None:
        raise error
    return cast(T, result)


def _first(ended: "queue.SimpleQueue[_Outcome[T]]", seconds: float) -> _Outcome[T]:
    """Raises queue.Empty."""
    try:
        return ended.get(timeout=min(QUIET, seconds))
    except queue.Empty:
        if seconds <= QUIET:
            raise
    output.note("Waiting for Azure …")
    return ended.get(timeout=seconds - QUIET)
