"""The demo: a pod's network on one machine, the real programs in it, and an unchanged app.

``pod`` makes the namespaces (tests use it too), ``readable`` lets the proxy's user read the code,
``story`` is what is shown, step by step. Start with ``story``.
"""
