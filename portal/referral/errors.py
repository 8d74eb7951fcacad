"""What can be in the way of a move. No text holds anything a person told."""


class ReferralError(Exception):
    """Base of what follows."""


class ConsentMissing(ReferralError):
    """Nobody agreed that this team may know or do that."""


class NotYourTeam(ReferralError):
    """The referral belongs to another team, or does not exist: both look the same."""


class Changed(ReferralError):
    """Somebody else moved it in the meantime; look again."""


class DeskUnavailable(ReferralError):
    """The team turned full or away before the consent arrived."""


class NotFound(ReferralError):
    """No such code, token or entry; expired ones look the same."""
