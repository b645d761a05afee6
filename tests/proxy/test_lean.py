"""What the proxy's process does without."""

import json
import subprocess
import sys
from pathlib import Path

from azwi_testing import Emulator, StartProxy, resident

IMPORTS = Path(__file__).parents[2] / "bench/imports.py"
LOOK = """
import json, ssl, sys
from azwi_proxy import lean
lean.import_libraries()
import azwi_proxy.serve, aiohttp.connector
brought = [name for name in ("urllib3", "charset_normalizer", "pyexpat") if name in sys.modules]
trusted = [
    len(context.get_ca_certs())
    for context in vars(aiohttp.connector).values() if isinstance(context, ssl.SSLContext)
]
later = len(ssl.create_default_context(cafile=sys.argv[1]).get_ca_certs())
usual = "set_default_verify_paths" in vars(ssl.SSLContext)
print(json.dumps([brought, trusted, later, usual]))
"""


def test_what_nobody_uses_is_left_out_and_authorities_can_be_loaded_later(
    emulator: Emulator,
) -> None:
    ca = emulator.environment["SSL_CERT_FILE"]
    done = subprocess.run(
        [sys.executable, "-c", LOOK, ca], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [[], [0, 0], 1, False]


def test_a_proxy_with_a_token_takes_less_memory_than_importing_its_libraries(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment)
    assert proxy.token().status == 200
    bare = subprocess.Popen(
        [sys.executable, str(IMPORTS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with bare:
        assert bare.stdout is not None
        bare.stdout.readline()
        ours, theirs = resident(proxy.process.pid), resident(bare.pid)
        bare.communicate(timeout=10)
    print(f"a proxy with a token: {ours / 1e6:.1f} MB; imports alone: {theirs / 1e6:.1f} MB")
    assert ours < 0.95 * theirs
