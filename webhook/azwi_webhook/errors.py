"""Everything that can go wrong with a call or a pod, as the API server will be told it."""


class BadCall(Exception):
    """The call itself is wrong: answered with an HTTP status of the 4xx class, never a review."""

    def __init__(self, description: str, *, status: int = 400) -> None:
        self.description = description
        self.status = status
        super().__init__(description)


class Refused(Exception):
    """The pod cannot be admitted as it is; the sentence names the field and the remedy."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


class Unavailable(Exception):
    """The API server could not be asked; the sentence says for what and why."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


class NotFound(Unavailable):
    """The API server says that there is no such object."""


class Conflict(Unavailable):
    """Somebody else changed the object first: read it again."""


class TooLarge(Unavailable):
    """The API server's answer has more bytes than are read."""


class Gone(Unavailable):
    """What a watch or a paged list goes on from is too old: list anew."""


class Throttled(Unavailable):
    """The API server asks to wait."""

    def __init__(self, sentence: str, *, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(sentence)


class Misconfigured(Exception):
    """The webhook cannot run as it is set up; the sentence says what to change."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)
