"""What can go wrong here. The texts are for developers; pages word their own."""


class AccountError(Exception):
    """Base of this package's errors."""


class WrongCredentials(AccountError):
    """E-mail and password do not belong together, the account is disabled or has no password yet.

    One error for all of them: whoever tries must not learn which it was.
    """


class TokenInvalid(AccountError):
    """The link was used, has run out, or never existed."""


class WeakPassword(AccountError):
    """`reason` is `short`, `long`, `common` or `personal`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class EmailTaken(AccountError):
    """There is a user with this address."""


class LastAdministrator(AccountError):
    """Somebody has to be left who can let others in."""


class WrongCode(AccountError):
    """The second factor was not right, or it was used before."""
