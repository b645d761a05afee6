"""Every error is one sentence: what is wrong, and what to do."""

from azwi_init import errors


def test_an_error_reads_as_one_sentence() -> None:
    error = errors.NotPermitted("nf_tables refuses this container", "add NET_ADMIN")

    assert str(error) == "nf_tables refuses this container: add NET_ADMIN."
