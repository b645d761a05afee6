"""What several programs of azwi-sidecar must agree on.

Law: standard library only, and no I/O; every program may import this package, it imports none.
Start with ``contract``: the names that cross a process boundary.
"""

# Programs run from copied folders too, where no distribution metadata exists: hence it lives here.
__version__ = "0.1.0"
