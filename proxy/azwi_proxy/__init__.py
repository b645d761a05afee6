"""The sidecar that answers token requests as the instance metadata service (IMDS) would.

Law: ``paths``, ``imds``, ``aadsts`` and ``identities`` decide without I/O; ``entra`` and
``upstream`` talk to their peers; only ``app`` and ``upstream`` build HTTP responses; only
``__main__`` reads the environment.
Start with ``app``.
"""
