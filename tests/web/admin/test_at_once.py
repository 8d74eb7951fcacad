"""Two coordinators press "Save" in the same moment."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlmodel import Session

from portal.catalogue import editing
from portal.catalogue.models import entity_id
from portal.web.application import Portal
from tests.web.admin.conftest import SignIn
from tests.web.admin.pages import AdminClient
from tests.web.admin.test_editing import fields_of, filled, record

REGION = "musterkreis"


@pytest.mark.parametrize("round_", range(3))
def test_one_is_saved_and_the_other_one_sees_both_texts(
    signed_in: SignIn, database: Session, admin_portal: Portal, round_: int
) -> None:
    slug = admin_portal.catalogue.services()[round_].slug
    path = f"/admin/services/{slug}"
    clients = [signed_in("coordinator") for _ in range(2)]
    names = ["Vorne", "Hinten"]
    forms = [
        filled(fields_of(client.page(path)), name=name) for client, name in zip(clients, names, strict=True)
    ]
    ready = threading.Barrier(2)

    def save(client: AdminClient, form: list[tuple[str, str]]) -> tuple[int, str]:
        ready.wait(30)
        answer = client.send(path, form)
        return answer.status_code, answer.get_data(as_text=True)

    with ThreadPoolExecutor(2) as pool:
        (one, first), (other, second) = pool.map(save, clients, forms)
    assert sorted((one, other)) == [303, 409]
    winner, loser = ("Vorne", "Hinten") if one == 303 else ("Hinten", "Vorne")
    merge = second if one == 303 else first
    assert winner in merge and loser in merge, "nothing typed is lost"
    assert record(database, slug).name == winner
    versions = editing.versions(database, entity_id(REGION, "service", slug))
    assert [version.number for version in versions] == [2, 1]
