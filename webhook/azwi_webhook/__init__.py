"""The mutating admission webhook: a label and an annotation, and a pod gets its tokens.

Start reading in ``app``. ``mutate`` decides what becomes of a pod, ``review`` how that is said on
the wire; both are pure. ``kube`` and ``certificates`` talk to the API server.
"""
