"""The demo: a pod's network on one machine, the real programs in it, and an unchanged app.

``pod`` makes the namespaces (tests use it too), ``readable`` lets the proxy's user read the code,
``stage`` runs programs in them or without, ``story`` is what is shown, step by step,
``environment`` the same without a redirect, ``voice`` how. Start with ``story``.
"""
