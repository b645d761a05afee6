"""``azwi``: sets identities up, finds what to migrate, says why a pod gets no token.

Start reading in ``commands``, the table of everything that can be called.

A new command goes here:

1. its decisions into pure modules named after what they know (``keys``, ``rotation``), listed in
   pyproject.toml under "The command line's decisions do no I/O";
2. what it asks of others through the module named after that peer (``kube``, ``web``, ``files``),
   the one place where foreign errors become those of ``errors``;
3. its command group into one module with an ``app`` of Typer, whose functions parse, ask, decide
   and show; one line in the table of ``commands``; then ``make docs``. A group of more than a
   few modules is a package: ``app`` in its ``__init__``, which imports nothing heavy.

Conventions: ``commands`` adds ``--debug`` and ``-h`` to every command. Whatever prints results
takes ``output.FormatOption``, whatever writes takes ``output.ForceOption`` and
``output.DryRunOption``; what cannot simply be undone asks by ``ask.confirmed``. Results go to
standard output, everything else to standard error.
A command module imports heavy libraries inside the functions that need them.
"""
