"""What the fields are called, why they are there, and what is wrong with them, in words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from portal.catalogue.editing import EntryProblem
from portal.web.current import current_portal
from portal.web.texts import N_, gettext


@dataclass(frozen=True, slots=True)
class Label:
    name: str
    why: str = ""


LABELS: Mapping[str, Label] = {
    "name": Label(
        N_("Name in everyday words"),
        N_("The first thing people read. Write what they get, not what the office calls it."),
    ),
    "alternate_name": Label(
        N_("Official name"), N_("People may know it from a letter. It is found in the search, too.")
    ),
    "description": Label(
        N_("What it is"), N_("Two or three short sentences. People decide by them whether to go on reading.")
    ),
    "application_process": Label(
        N_("How to start"), N_("The very first step. Without it, many never begin.")
    ),
    "minimum_age": Label(N_("From age"), N_("In years. Empty means that there is no lower limit.")),
    "maximum_age": Label(
        N_("Up to age"), N_("In years, inclusive. Empty means that there is no upper limit.")
    ),
    "target_groups": Label(
        N_("Who it is for"), N_("Filters of the search use this. Tick only groups it is really made for.")
    ),
    "eligibility_description": Label(
        N_("Who exactly can come"), N_("What ticks cannot say. Nobody should come in vain.")
    ),
    "topics": Label(N_("Topics"), N_("The offer stands on the pages of these topics. At least one.")),
    "contact_kinds": Label(
        N_("Kinds of contact"), N_("The questionnaire leads to these. Tick what people meet here.")
    ),
    "desk_for": Label(
        N_("First desk for"),
        N_("Here the questionnaire ends: people are sent to this very offer. Tick with care."),
    ),
    "formats": Label(N_("How it takes place"), N_("Many cannot come, or do not dare to call.")),
    "legal_basis": Label(N_("Legal basis"), N_("For counsellors, and for the rules of responsibility.")),
    "legal_text": Label(N_("Paragraph"), N_("As written in the law. Stands small at the end of the page.")),
    "helpline_needs": Label(
        N_("Help now"), N_("Ticked means: the offer stands on the page for emergencies.")
    ),
    "locations": Label(N_("Places"), N_("Where it happens. The address comes from the place itself.")),
    "location": Label(N_("Place"), N_("Kept once, used by many offers.")),
    "place_note": Label(N_("What is different in this place"), N_("For example the floor or the entrance.")),
    "schedules": Label(
        N_("Hours"),
        N_("Only when they differ from the hours of the place. Wrong hours cost people a way for nothing."),
    ),
    "phones": Label(N_("Phones"), N_("The first number becomes the button for calling.")),
    "email": Label(
        N_("E-mail"), N_("For those who would rather write. Best an address that several people read.")
    ),
    "url": Label(N_("Web page"), N_("The page of this very offer, not the start page.")),
    "website": Label(N_("Web page"), N_("Stands on the page of the organization.")),
    "contacts": Label(
        N_("Contacts"),
        N_("A function or a department. Never a private person: names change, functions stay."),
    ),
    "required_documents": Label(N_("What to bring"), N_("So that nobody is sent home. One thing per line.")),
    "expectations": Label(
        N_("What happens there"),
        N_("Up to three steps, said to the person. It takes away fear. Empty uses the usual steps."),
    ),
    "cost": Label(N_("Cost"), N_("Many stay away because they fear the price.")),
    "cost.option": Label(N_("What it costs"), N_("“Not known” is honest and better than a guess.")),
    "cost.amount_description": Label(N_("Cost in words"), N_("For example “5 euros per evening”.")),
    "languages": Label(N_("Languages spoken there"), N_("Only what somebody there really speaks.")),
    "interpretation_services": Label(
        N_("Interpreting"), N_("How people are understood who speak another language.")
    ),
    "service_areas": Label(
        N_("For people from"), N_("Whoever lives elsewhere is not sent here. At least one.")
    ),
    "valid_from": Label(N_("Shown from"), N_("The offer appears by itself on this day.")),
    "valid_to": Label(
        N_("Funding ends"),
        N_("The last day. After it the offer disappears by itself, and you are told before."),
    ),
    "source": Label(N_("Where we know it from"), N_("So that the next person can check it.")),
    "source.url": Label(N_("Address of the source"), N_("Not shown to the public.")),
    "source.name": Label(N_("Name of the source"), N_("A page, a leaflet, a phone call.")),
    "source.date": Label(
        N_("Date of the source"),
        N_("As exact as you know: 2026, 2026-05 or 2026-05-17. The public sees the year."),
    ),
    "source.note": Label(N_("Note for those who check"), N_("Never published.")),
    "confidence": Label(
        N_("How sure are we?"), N_("“Confirmed” only when somebody at the office was asked.")
    ),
    "assured_date": Label(N_("Confirmed on"), N_("Changes only when you say that you asked there.")),
    "review_days": Label(
        N_("Ask again after (days)"), N_("Empty means the usual time. Short for what changes often.")
    ),
    "review_due": Label(N_("Ask again on"), N_("Once, on this day, whatever was confirmed before.")),
    "organization": Label(
        N_("Organization"), N_("Who offers it. Its phone and web page fill what is missing here.")
    ),
    "status": Label(N_("State")),
    # Organizations
    "kind": Label(N_("Kind of organization"), N_("Decides the words people read for it.")),
    "parent_organization": Label(
        N_("Belongs to"), N_("The office above it, for example the county of its youth welfare office.")
    ),
    "legal_status": Label(N_("Legal form"), N_("For example e. V. or gGmbH.")),
    "confidential": Label(
        N_("Secret address"), N_("For shelters: no address is kept or shown. It protects lives.")
    ),
    # Locations
    "location_type": Label(N_("What sort of place"), N_("A post box is no place to go to.")),
    "address": Label(N_("Address"), N_("The way there and the map come from it.")),
    "address.attention": Label(N_("Addition"), N_("For example the house, the floor or the entrance.")),
    "address.address_1": Label(N_("Street and number"), ""),
    "address.zip": Label(N_("Postcode"), ""),
    "address.city": Label(N_("Town"), ""),
    "place": Label(N_("Municipality"), N_("Distances and “near me” are counted from it.")),
    "latitude": Label(N_("Latitude"), N_("Makes distances exact, for example 51.8958.")),
    "longitude": Label(N_("Longitude"), N_("For example 11.0468.")),
    "transportation": Label(
        N_("How to get there"), N_("Stop, line, entrance. Many come for the first time.")
    ),
    "accessibility": Label(
        N_("Without barriers"),
        N_("What is there: a ramp, a lift. Also what is missing, so that nobody comes in vain."),
    ),
    "record": Label(N_("The entry as a whole")),
}
"""Field of a record → its name and the reason for it. Also for differences and merges."""
_ELSEWHERE: Mapping[str, Mapping[str, Label]] = {
    "location": {
        "name": Label(
            N_("Name of the place"), N_("As it stands at the house. People look for it when they arrive.")
        ),
        "organization": Label(N_("Organization"), N_("Whose house it is. Its offers can choose this place.")),
        "schedules": Label(
            N_("Hours"),
            N_(
                "When somebody is there. They hold for every offer in this place that has no hours of its own."
            ),
        ),
        "phones": Label(
            N_("Phones"), N_("The number of this place. Offers without one of their own show it.")
        ),
        "languages": Label(
            N_("Languages spoken there"), N_("Only what somebody in this place really speaks.")
        ),
    },
    "organization": {
        "name": Label(N_("Name"), N_("As the organization calls itself. It stands at each of its offers.")),
        "alternate_name": Label(
            N_("Other name"), N_("Short form or former name. It is found in the search, too.")
        ),
        "phones": Label(
            N_("Phones"), N_("The number for everything. Offers without one of their own show it.")
        ),
        "email": Label(N_("E-mail"), N_("Best an address that several people read.")),
    },
}
"""Where a field means something else than at an offer."""


def label(field: str) -> str:
    found = LABELS.get(field) or LABELS.get(field.split(".")[0])
    return gettext(found.name) if found else field


def why(field: str) -> str:
    found = LABELS.get(field)
    return gettext(found.why) if found and found.why else ""


def worded(entity: str) -> tuple[Callable[[str], str], Callable[[str], str]]:
    """`label` and `why` for the form of this entity."""
    own = _ELSEWHERE.get(entity, {})
    return (
        lambda field: gettext(own[field].name) if field in own else label(field),
        lambda field: gettext(own[field].why) if field in own else why(field),
    )


_BY_CODE = {
    "hours_missing": N_("Please enter when it is open, or take these hours away."),
    "hours_no_day": N_("Please tick at least one day."),
    "hours_no_time": N_("Please enter from when to when."),
    "hours_half": N_("One of the two times is missing."),
    "hours_same": N_("Both times are the same."),
    "hours_no_clock": N_("This is no time. Please write for example 8:30."),
    "hours_no_date": N_("Please enter the first day."),
    "hours_ends_before": N_("The last day is before the first."),
    "no_date": N_("This is no date. Please write for example 2026-12-31."),
    "hours": N_("These hours cannot be read. Please enter them anew."),
    "twice": N_("This stands there twice."),
    "ends_before_it_begins": N_("The end is before the beginning."),
    "circle": N_("An organization cannot belong to itself."),
    "confidential": N_("A secret place must not say where it is. Please empty this field."),
    "owner_confidential": N_(
        "This organization runs a shelter. Please tick “Secret address” and take the address away."
    ),
    "half_a_point": N_("Latitude and longitude belong together. Please enter both or neither."),
    "abroad": N_("This point does not lie in Germany. Are the two numbers swapped?"),
    "outside": N_("You may change only what lies in your own area."),
    "foreign": N_("You may choose only your own organization."),
    "slug": N_("An entry with this name is there already."),
    "shape.string_too_short": N_("Please fill this in."),
    "shape.missing": N_("Please fill this in."),
    "shape.string_type": N_("Please fill this in."),
    "shape.too_short": N_("Please choose at least one."),
    "shape.int_parsing": N_("Please write a whole number."),
    "shape.int_type": N_("Please write a whole number."),
    "shape.int_from_float": N_("Please write a whole number."),
    "shape.float_parsing": N_("Please write a number, for example 51.8958."),
    "shape.literal_error": N_("Please choose one of the list."),
    "shape.enum": N_("Please choose one of the list."),
}
_BY_FIELD = {
    "email": N_("This is no e-mail address. It needs an @ and a full stop, as in info@example.org."),
    "url": N_("This is no web address. Please copy it from your browser."),
    "website": N_("This is no web address. Please copy it from your browser."),
    "date": N_("Please write 2026, 2026-05 or 2026-05-17."),
    "number": N_("A phone number has only digits, spaces and + ( ) - /."),
    "valid_from": N_("This is no date. Please write for example 2026-12-31."),
    "valid_to": N_("This is no date. Please write for example 2026-12-31."),
    "review_due": N_("This is no date. Please write for example 2026-12-31."),
    "review_days": N_("Please write a number of days between 1 and 3650."),
    "postal_code": N_("A postcode has five digits."),
    "place": N_("Please choose one of the list."),
    "languages": N_("There is no language with this name or short code. Please choose one of the list."),
}
"""Last part of the path → what is wrong when its shape is."""


def problem_words(problem: EntryProblem) -> str:
    values = problem.values
    leaf = [part for part in problem.field.split(".") if not part.isdigit()][-1]
    if problem.code == "phone":
        return _phone_words()
    if leaf == "organization" and (problem.code.startswith("shape.") or not values.get("value", "-")):
        return gettext("Please choose an organization.")
    if problem.code == "unknown":
        return gettext(
            "“%(value)s” is not known here. Please choose one of the list.", value=values.get("value", "")
        )
    if problem.code == "desk_without_kind":
        return gettext("A first desk must be ticked among the kinds of contact, too.")
    if problem.code == "elsewhere":
        return gettext("This area does not belong to the region.")
    if problem.code == "far_away":
        return gettext(
            "This point lies %(km)s km from %(place)s. Are the numbers right?",
            km=values.get("km", "?"),
            place=values.get("place", "?"),
        )
    if problem.code == "shape.string_too_long":
        return gettext(
            "This is too long. There is room for %(number)s characters.", number=values.get("max_length", "?")
        )
    if problem.code in ("shape.greater_than_equal", "shape.less_than_equal"):
        if leaf in ("minimum_age", "maximum_age"):
            return gettext("Please write an age between 0 and 99.")
        return gettext("This number cannot be right.")
    if problem.code == "shape.value_error" and leaf == "record":
        return gettext(
            "These values do not fit together: an age “from” above “up to”, or a secret place with an address."
        )
    if problem.code in _BY_CODE:
        return gettext(_BY_CODE[problem.code])
    if leaf in _BY_FIELD:
        return gettext(_BY_FIELD[leaf])
    return gettext("This cannot be saved as it is. Please look at it again.")


def _phone_words() -> str:
    if current_portal().region.fictional:
        return gettext(
            "This region is invented. Please use only numbers that are kept for films, as 030 23125 123."
        )
    return gettext("This number does not exist like this. Is the area code missing, or a digit?")
