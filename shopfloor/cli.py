"""The console script `officina`."""


def main() -> None:
    """Run it."""
