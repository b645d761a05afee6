"""An Entra ID small enough to read: the identity provider of demos, tests and users' own CI.

Law: what decides (``federation``, ``aadsts``, ``claims``, ``directory``, ``faults``, ``messages``,
``resource``, ``wire``; ``graph*`` and ``arm*`` over ``cloud``) is pure; no token, assertion, secret
or key is ever logged or listed. Start with ``app`` (what is served), then ``federation`` (what is
decided), or ``management`` and ``routes`` for Microsoft Graph and ARM. ``server.Emulator`` runs it
in-process, ``client.Control`` steers it from any process.
"""
