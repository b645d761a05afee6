"""Real clients in a pod, redirected and in environment mode: which, installed, run and judged how.

``plan`` says what a client is and goes through, ``table`` which there are and what is expected of
them, ``environments`` installs them, ``stand_ins`` answers for the Azure services that some of them
call, ``pods`` makes the pods, ``runs`` runs them there; ``page``, ``page_told`` and ``cells`` write
docs/clients.md. Tests are in tests/clients/.
"""
