"""The table of allowed moves. Whatever is not in it cannot happen.

States are FHIR Task.status; `WHO` may make a move; the rest (consent, team, age) is checked by the actions.
"""

from dataclasses import dataclass
from enum import StrEnum

from portal.referral.models import Actor, Status


class Move(StrEnum):
    PREPARE = "prepare"
    SUBMIT = "submit"
    DISCARD = "discard"
    CLAIM = "claim"
    RELEASE = "release"
    ACCEPT = "accept"
    REJECT = "reject"
    NOTE_TRY = "note_try"
    """Tried to reach the person, without success."""
    CONTACT = "contact"
    """There was a first contact."""
    MESSAGE = "message"
    PROPOSE_APPOINTMENT = "propose_appointment"
    ANSWER_APPOINTMENT = "answer_appointment"
    JOIN_APPOINTMENT = "join_appointment"
    """Another team says whether a joint appointment suits it."""
    PROPOSE_HANDOVER = "propose_handover"
    AGREE_HANDOVER = "agree_handover"
    DECLINE_HANDOVER = "decline_handover"
    PROPOSE_JOINT = "propose_joint"
    AGREE_JOINT = "agree_joint"
    WITHDRAW_JOINT = "withdraw_joint"
    """One team of several is told to stop; the others go on."""
    COMPLETE = "complete"
    WITHDRAW = "withdraw"
    ALARM = "alarm"
    EXPIRE = "expire"
    ESCALATE = "escalate"
    TAKE_OFFER_BACK = "take_offer_back"
    """The first team can take somebody again before anybody answered to another desk."""


class MoveNotAllowed(Exception):
    """The referral is in a state from which this cannot happen, or this actor may not."""

    def __init__(self, move: Move, status: Status) -> None:
        super().__init__(f"{move} from {status}")
        self.move = move
        self.status = status


@dataclass(frozen=True, slots=True)
class Rule:
    to: Status | None
    """None: the state stays."""
    who: frozenset[Actor]


def _rule(to: Status | None, *who: Actor) -> Rule:
    return Rule(to, frozenset(who))


_PERSON, _TEAM, _COORDINATOR, _SYSTEM = Actor.YOUNG_PERSON, Actor.COUNSELLOR, Actor.COORDINATOR, Actor.SYSTEM
_WITH_TEAM = (Status.REQUESTED, Status.ACCEPTED, Status.IN_PROGRESS)
"""A team is responsible."""
LIVE = (*_WITH_TEAM, Status.REJECTED)
"""Somebody waits for something."""
ENDED = (Status.COMPLETED, Status.CANCELLED)

TABLE: dict[tuple[Status, Move], Rule] = {
    (Status.DRAFT, Move.PREPARE): _rule(None, _PERSON, _TEAM),
    (Status.DRAFT, Move.SUBMIT): _rule(Status.REQUESTED, _PERSON),
    (Status.DRAFT, Move.DISCARD): _rule(Status.CANCELLED, _PERSON, _TEAM, _SYSTEM),
    (Status.REQUESTED, Move.ACCEPT): _rule(Status.ACCEPTED, _TEAM),
    (Status.REQUESTED, Move.REJECT): _rule(Status.REJECTED, _TEAM),
    (Status.REJECTED, Move.AGREE_HANDOVER): _rule(Status.REQUESTED, _PERSON, _TEAM),
    (Status.REJECTED, Move.DECLINE_HANDOVER): _rule(None, _PERSON),
    (Status.REJECTED, Move.PROPOSE_HANDOVER): _rule(None, _TEAM, _COORDINATOR),
    (Status.REJECTED, Move.MESSAGE): _rule(None, _PERSON, _TEAM),
    (Status.REJECTED, Move.WITHDRAW_JOINT): _rule(None, _PERSON),
    (Status.REJECTED, Move.ALARM): _rule(None, _PERSON),
    (Status.REJECTED, Move.ESCALATE): _rule(None, _SYSTEM),
    (Status.REJECTED, Move.WITHDRAW): _rule(Status.CANCELLED, _PERSON),
    (Status.REJECTED, Move.EXPIRE): _rule(Status.CANCELLED, _SYSTEM),
    (Status.REQUESTED, Move.TAKE_OFFER_BACK): _rule(None, _SYSTEM),
    (Status.ACCEPTED, Move.CONTACT): _rule(Status.IN_PROGRESS, _TEAM, _PERSON),
    (Status.IN_PROGRESS, Move.CONTACT): _rule(None, _TEAM, _PERSON),
    (Status.ACCEPTED, Move.NOTE_TRY): _rule(None, _TEAM),
    (Status.IN_PROGRESS, Move.NOTE_TRY): _rule(None, _TEAM),
    (Status.ACCEPTED, Move.COMPLETE): _rule(Status.COMPLETED, _TEAM),
    (Status.IN_PROGRESS, Move.COMPLETE): _rule(Status.COMPLETED, _TEAM),
    (Status.ACCEPTED, Move.PROPOSE_JOINT): _rule(None, _TEAM),
    (Status.IN_PROGRESS, Move.PROPOSE_JOINT): _rule(None, _TEAM),
    (Status.ACCEPTED, Move.AGREE_JOINT): _rule(None, _PERSON, _TEAM),
    (Status.IN_PROGRESS, Move.AGREE_JOINT): _rule(None, _PERSON, _TEAM),
    (Status.COMPLETED, Move.WITHDRAW): _rule(Status.CANCELLED, _PERSON),
    **{
        (status, move): _rule(to, *who)
        for status in _WITH_TEAM
        for move, to, who in (
            (Move.CLAIM, None, (_TEAM,)),
            (Move.RELEASE, None, (_TEAM,)),
            (Move.MESSAGE, None, (_PERSON, _TEAM)),
            (Move.PROPOSE_APPOINTMENT, None, (_TEAM,)),
            (Move.ANSWER_APPOINTMENT, None, (_PERSON,)),
            (Move.JOIN_APPOINTMENT, None, (_TEAM,)),
            (Move.PROPOSE_HANDOVER, None, (_TEAM, _COORDINATOR, _SYSTEM)),
            (Move.AGREE_HANDOVER, Status.REQUESTED, (_PERSON, _TEAM)),
            (Move.DECLINE_HANDOVER, None, (_PERSON,)),
            (Move.WITHDRAW_JOINT, None, (_PERSON,)),
            (Move.ALARM, None, (_PERSON,)),
            (Move.ESCALATE, None, (_SYSTEM,)),
            (Move.WITHDRAW, Status.CANCELLED, (_PERSON,)),
            (Move.EXPIRE, Status.CANCELLED, (_SYSTEM,)),
        )
    },
}
"""Where a team agrees for the young person (hand-over, joint), the consent was given in person and is recorded so. Where
the young person is in contact, they have read what the team wrote."""


def target(status: Status, move: Move, actor: Actor) -> Status:
    """The state after the move. Raises MoveNotAllowed."""
    rule = TABLE.get((status, move))
    if rule is None or actor not in rule.who:
        raise MoveNotAllowed(move, status)
    return rule.to or status


def moves(status: Status, actor: Actor) -> frozenset[Move]:
    """What this actor may do now; pages offer nothing else."""
    return frozenset(move for (from_, move), rule in TABLE.items() if from_ == status and actor in rule.who)
