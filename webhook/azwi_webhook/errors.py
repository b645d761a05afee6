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
