"""What a person can mend: such an error ends a command with its sentence, without a trace."""


class ExpectedError(Exception):
    """Something outside of the program is not as it must be; the sentence says what, where and the mend."""
