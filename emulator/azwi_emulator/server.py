"""A whole emulator in one ``async with``: ports, certificates, files, and what follows changes.

async with Emulator(Settings(control_port=OFF)) as emulator:
    emulator.announcement.authority_host, emulator.state
"""

import asyncio
import contextlib
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Self

from aiohttp import web

from azwi_common import __version__
from azwi_emulator import (
    app,
    certificates,
    control,
    discovery,
    errors,
    files,
    management,
    state_file,
    token_proxy,
)
from azwi_emulator.certificates import Authority, Names
from azwi_emulator.cloud import Cloud
from azwi_emulator.listener import Listener, TlsListener
from azwi_emulator.messages import AccessTokenShape, Announcement
from azwi_emulator.ready_made import (
    CLIENT_ID,
    RESOURCE_GROUP,
    SUBJECT,
    SUBSCRIPTION_ID,
    TENANT_ID,
    furnish,
    registrations,
)
from azwi_emulator.settings import OFF, Settings
from azwi_emulator.state import State
from azwi_emulator.token_files import TokenFiles

_HERE = ("localhost", "127.0.0.1", "::1")


class Emulator:
    """Entra ID, an OIDC issuer and what belongs to them, served from entry to exit.

    ``state`` may be changed directly; call ``follow`` after a change of faults or issuer keys.
    """

    state: State
    announcement: Announcement

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._stack = contextlib.AsyncExitStack()
        self._following = asyncio.Lock()
        self._tls: list[TlsListener] = []
        self._dir: Path
        self._tokens: TokenFiles

    async def __aenter__(self) -> Self:
        """Start; raises StartFailed with a sentence, and leaves nothing behind then."""
        async with contextlib.AsyncExitStack() as stack:
            self._dir = stack.enter_context(files.directory(self._settings.data_dir))
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop; hanging requests are let go."""
        self.state.faults.clear_all()
        await self._stack.aclose()

    async def follow(self) -> None:
        """Make ports, certificates and token files follow a change of ``state``."""
        async with self._following:
            refused = self.state.faults.server_fault("refuse") is not None
            trusted = self.state.faults.server_fault("untrusted") is None
            for listener in self._tls:
                listener.show(trusted=trusted)
                await (listener.refuse() if refused else listener.accept())
            self._tokens.follow_rotation()

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        settings = self._settings
        names = Names.of((*_HERE, settings.host, settings.public_host or "", *settings.names))
        authority = self._authority(names)
        entra = await self._open(stack, settings.port, "Entra ID", authority, names)
        proxy = await self._open_token_proxy(stack)
        steered = await self._open_control(stack)
        self.state = State(
            _url(settings, entra.port),
            discovery.IssuerKeys(self._trust(authority)),
            registrations=registrations(settings.registrations),
            access_tokens=AccessTokenShape(
                lifetime_seconds=settings.token_lifetime, size_bytes=settings.token_size
            ),
            consistency_delay=settings.consistency_delay,
            page_size=settings.page_size,
            **_kept(settings.state),
        )
        self._write_authority(authority)
        self._tokens = TokenFiles(self._dir, self.state.issuer, bound=proxy is not None)
        self.announcement = self._announce(proxy, steered)
        await entra.serve(app.make(self.state))
        if proxy:
            await proxy.serve(token_proxy.make(self.state))
        if steered:
            await steered.serve(self._control())
        await stack.enter_async_context(self._tokens.renewed())

    async def _open(
        self,
        stack: contextlib.AsyncExitStack,
        port: int,
        purpose: str,
        authority: Authority,
        names: Names,
        *,
        context: ssl.SSLContext | None = None,
    ) -> TlsListener:
        now = certificates.now()
        listener = TlsListener(
            self._settings.host,
            port,
            purpose=purpose,
            context=context or certificates.server_context(),
            scratch=self._dir,
            own=authority.issue(names, now=now),
            strange=Authority.make(names, now=now, title="Unknown CA").issue(names, now=now),
        )
        self._tls.append(listener)
        return await stack.enter_async_context(listener)

    async def _open_token_proxy(self, stack: contextlib.AsyncExitStack) -> TlsListener | None:
        port = self._settings.token_proxy_port
        if port == OFF:
            return None
        names = Names.of((token_proxy.SNI_NAME,))
        authority = Authority.make(names, now=certificates.now(), title="azwi-emulator cluster CA")
        files.write(self._dir / files.TOKEN_PROXY_CA, authority.pem)
        context = certificates.server_context()
        token_proxy.require_sni(context)
        return await self._open(stack, port, "the token proxy", authority, names, context=context)

    async def _open_control(self, stack: contextlib.AsyncExitStack) -> Listener | None:
        host, port = self._settings.control_host, self._settings.control_port
        if port == OFF:
            return None
        return await stack.enter_async_context(Listener(host, port, purpose="the control endpoint"))

    def _control(self) -> web.Application:
        settings = self._settings
        names = ("localhost", settings.control_host, settings.public_host or "", *settings.names)
        return control.make(
            self.state,
            self.announcement,
            names=frozenset(name.lower() for name in names),
            changed=self.follow,
        )

    def _announce(self, proxy: TlsListener | None, steered: Listener | None) -> Announcement:
        settings = self._settings

        def path(name: str) -> str:
            return str(self._dir / name)

        control_host = _reachable(settings.control_host)
        return Announcement(
            authority_host=self.state.authority,
            issuer=self.state.issuer.url,
            graph_url=management.base_url(self.state.authority, "graph"),
            arm_url=management.base_url(self.state.authority, "arm"),
            subscription_id=SUBSCRIPTION_ID,
            resource_group=RESOURCE_GROUP,
            control_url=f"http://{control_host}:{steered.port}" if steered else None,
            tenant_id=TENANT_ID,
            client_id=CLIENT_ID,
            subject=SUBJECT,
            ca_file=path(files.CA),
            token_file=path(files.TOKEN),
            data_dir=str(self._dir),
            token_proxy_url=(
                _url(settings, proxy.port) + token_proxy.PREFIX.strip("/") if proxy else None
            ),
            token_proxy_sni_name=token_proxy.SNI_NAME if proxy else None,
            token_proxy_ca_file=path(files.TOKEN_PROXY_CA) if proxy else None,
            token_proxy_token_file=path(files.TOKEN_PROXY_TOKEN) if proxy else None,
            version=__version__,
            pid=os.getpid(),
        )

    def _authority(self, names: Names) -> Authority:
        settings = self._settings
        if settings.ca_file and settings.ca_key_file:
            return Authority.read(settings.ca_file, settings.ca_key_file)
        return Authority.make(names, now=certificates.now())

    def _write_authority(self, authority: Authority) -> None:
        files.write(self._dir / files.CA, authority.pem)
        if self._settings.write_ca_key:
            files.write(self._dir / files.CA_KEY, authority.key_pem(), secret=True)

    def _trust(self, authority: Authority) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.load_verify_locations(cadata=authority.pem)
        if self._settings.trust_file:
            try:
                context.load_verify_locations(cafile=self._settings.trust_file)
            except OSError as error:  # ssl.SSLError is one
                raise errors.StartFailed(
                    f"The CAs in {self._settings.trust_file} cannot be read: {error}."
                    " Give a PEM file."
                ) from error
        return context


def _kept(state: str | None) -> dict[str, Callable[[Cloud], None]]:
    """How Graph and ARM begin, and who keeps them; raises StartFailed for a file of no use."""
    if state is None:
        return {"furnish": furnish}
    file = state_file.StateFile(state)

    def furnish_from_file(cloud: Cloud) -> None:
        furnish(cloud)
        file.furnish(cloud)

    return {"furnish": furnish_from_file, "keep": file.keep}


def _url(settings: Settings, port: int) -> str:
    """The base URL of a TLS port, with a trailing slash."""
    host = _reachable(settings.public_host or settings.host)
    return f"https://{host}/" if port == 443 else f"https://{host}:{port}/"


def _reachable(host: str) -> str:
    """The host of a URL: a wildcard address can be listened on, but not connected to."""
    if host in ("0.0.0.0", "::"):
        return "localhost"
    return f"[{host}]" if ":" in host else host
