"""What a mail to a team or to coordinators says. No name, no case: only how soon somebody should look."""

from portal.web.texts import N_

SUBJECT = N_("Something for you in the portal")
_ANYTHING = N_("There is something new for you in the portal. Please sign in:")
_TODAY = N_("There is something for you in the portal that should not wait any longer. Please sign in today:")
_BEFORE_A_CALL = N_("Something has changed in the portal. Please look at it before you call anybody:")

_SENTENCES = {
    "referral.overdue": _TODAY,
    "referral.alarm": _TODAY,
    "referral.without_desk": _TODAY,
    "referral.withdrawn": _BEFORE_A_CALL,
    "referral.expired": _BEFORE_A_CALL,
}


def subject_and_sentence(about: str) -> tuple[str, str]:
    """msgids of the admin domain."""
    return SUBJECT, _SENTENCES.get(about, _ANYTHING)
