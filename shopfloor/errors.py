"""What a person can mend: such an error ends a command with its sentence, without a trace."""


class ExpectedError(Exception):
    """Something outside of the program is not as it must be; the sentence says what, where and the mend.

    Attributes:
        code: stable word of the cause, for programs that say it in their own words; empty where there is none.
    """

    def __init__(self, *said: object, code: str = "") -> None:
        super().__init__(*said)
        self.code = code
