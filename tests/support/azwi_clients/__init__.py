"""Real clients in the redirected pod: which there are, how each is installed, run and judged.

``table`` says which clients and what is expected of them, ``environments`` installs them,
``stand_ins`` answers for the Azure services that some of them call, ``pods`` makes the pod,
``runs`` runs them in it, ``page`` writes docs/clients.md. Tests are in tests/clients/.
"""
