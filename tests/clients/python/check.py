"""HubSpot's Python client against the sandbox: lists, searches, pages, reads, updates and creates, and checks what comes back.

The portal holds 230 contacts p0..p229@clients.example, one owner and one company "Clients Inc" (see tests/it/sandbox_clients.rs).
"""

import sys

import hubspot
from hubspot.crm.associations.v4 import (
    AssociationSpec,
    BatchInputPublicAssociationMultiPost,
    BatchInputPublicFetchAssociationsBatchRequest,
    PublicAssociationMultiPost,
    PublicFetchAssociationsBatchRequest,
    PublicObjectId,
)
from hubspot.crm.companies import SimplePublicObjectInputForCreate as CompanyInput
from hubspot.crm.contacts import (
    BatchInputSimplePublicObjectBatchInput,
    BatchInputSimplePublicObjectBatchInputForCreate,
    BatchReadInputSimplePublicObjectId,
    Filter,
    FilterGroup,
    PublicObjectSearchRequest,
    SimplePublicObjectBatchInput,
    SimplePublicObjectBatchInputForCreate,
    SimplePublicObjectId,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.contacts.exceptions import ApiException
from hubspot.crm.lists import ListCreateRequest, ListSearchRequest


def equal(found, expected, what):
    assert found == expected, f"{what}: {found!r} instead of {expected!r}"


def main(url):
    api = hubspot.Client.create(access_token="pat-na1-sandbox", host=url)
    contacts = api.crm.contacts

    # Pages by `after`, and the client's own loop over them.
    page = contacts.basic_api.get_page(limit=100, properties=["email", "lifecyclestage"])
    equal(len(page.results), 100, "first page")
    second = contacts.basic_api.get_page(limit=100, after=page.paging.next.after)
    assert int(second.results[0].id) > int(page.results[-1].id), "pages overlap"
    everyone = contacts.get_all(properties=["email"])
    emails = {contact.properties["email"] for contact in everyone}
    equal(emails, {f"p{at}@clients.example" for at in range(230)}, "all contacts")

    # Search: filter, sort, second page.
    request = PublicObjectSearchRequest(
        filter_groups=[FilterGroup(filters=[Filter(property_name="lifecyclestage", operator="EQ", value="marketingqualifiedlead")])],
        sorts=[{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        properties=["email", "lifecyclestage"],
        limit=20,
    )
    found = contacts.search_api.do_search(public_object_search_request=request)
    equal((found.total, len(found.results)), (23, 20), "search")
    request.after = found.paging.next.after
    equal(len(contacts.search_api.do_search(public_object_search_request=request).results), 3, "second page of the search")

    # Batch read, with history.
    one, two = everyone[0].id, everyone[1].id
    read = contacts.batch_api.read(
        BatchReadInputSimplePublicObjectId(
            properties=["email"],
            properties_with_history=["lifecyclestage"],
            inputs=[SimplePublicObjectId(id=one), SimplePublicObjectId(id=two)],
        )
    )
    equal({row.id for row in read.results}, {one, two}, "batch read")
    assert read.results[0].properties_with_history["lifecyclestage"][0].source_type == "FORM"
    missing = contacts.batch_api.read(
        BatchReadInputSimplePublicObjectId(properties=[], properties_with_history=[], inputs=[SimplePublicObjectId(id="999")])
    )
    equal((missing.num_errors, missing.errors[0].category), (1, "OBJECT_NOT_FOUND"), "missing id in a batch")

    # Single reads and writes.
    owner = api.crm.owners.owners_api.get_page(email="owner@clients.example").results[0]
    equal(api.crm.owners.owners_api.get_by_id(owner_id=int(owner.id)).user_id, owner.user_id, "owner by id")
    changed = contacts.basic_api.update(one, SimplePublicObjectInput(properties={"hubspot_owner_id": owner.id, "hs_lead_status": "OPEN"}))
    equal(changed.properties["hubspot_owner_id"], owner.id, "owner written")
    equal(contacts.basic_api.get_by_id(one, properties=["hs_lead_status"]).properties["hs_lead_status"], "OPEN", "status read back")
    created = contacts.basic_api.create(SimplePublicObjectInputForCreate(properties={"email": "python@clients.example"}))
    equal(contacts.basic_api.get_by_id("python@clients.example", id_property="email").id, created.id, "by e-mail")
    batch = contacts.batch_api.update(
        BatchInputSimplePublicObjectBatchInput(
            inputs=[SimplePublicObjectBatchInput(id=each, properties={"jobtitle": "CFO"}) for each in (one, two)]
        )
    )
    equal({row.properties["jobtitle"] for row in batch.results}, {"CFO"}, "batch update")
    made = contacts.batch_api.create(
        BatchInputSimplePublicObjectBatchInputForCreate(
            inputs=[SimplePublicObjectBatchInputForCreate(properties={"email": f"py{at}@clients.example"}) for at in range(3)]
        )
    )
    equal(len(made.results), 3, "batch create")
    contacts.basic_api.archive(made.results[0].id)

    # Errors keep their bodies.
    for status, attempt in [
        (409, lambda: contacts.basic_api.create(SimplePublicObjectInputForCreate(properties={"email": "p0@clients.example"}))),
        (400, lambda: contacts.basic_api.update(one, SimplePublicObjectInput(properties={"nosuch": "x"}))),
        (404, lambda: contacts.basic_api.get_by_id(made.results[0].id)),
    ]:
        try:
            attempt()
        except ApiException as error:
            equal(error.status, status, "error")
        else:
            raise AssertionError(f"no {status}")

    # Companies and associations.
    company = api.crm.companies.basic_api.create(CompanyInput(properties={"name": "Python GmbH", "domain": "python.example"}))
    v4 = api.crm.associations.v4
    joined = v4.batch_api.create(
        "contacts",
        "companies",
        BatchInputPublicAssociationMultiPost(
            inputs=[
                PublicAssociationMultiPost(
                    _from=PublicObjectId(id=each),
                    to=PublicObjectId(id=company.id),
                    types=[AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=1)],
                )
                for each in (one, two)
            ]
        ),
    )
    equal(len(joined.results), 2, "associations made")
    rows = v4.batch_api.get_page(
        "contacts",
        "companies",
        BatchInputPublicFetchAssociationsBatchRequest(inputs=[PublicFetchAssociationsBatchRequest(id=one)]),
    ).results
    types = {each.type_id for each in rows[0].to[-1].association_types}
    equal((str(rows[0].to[-1].to_object_id), types), (company.id, {1, 279}), "associations read")
    single = v4.basic_api.get_page("companies", company.id, "contacts")
    equal({str(row.to_object_id) for row in single.results}, {one, two}, "associations of the company")

    # Lists.
    lists = api.crm.lists
    made = lists.lists_api.create(ListCreateRequest(name="Python list", object_type_id="0-1", processing_type="MANUAL")).list
    equal(lists.lists_api.get_by_name("Python list", "0-1").list.list_id, made.list_id, "list by name")
    added = lists.memberships_api.add(made.list_id, [one, "999"])
    equal((added.records_ids_added, added.record_ids_missing), ([one], ["999"]), "list members added")
    equal([row.record_id for row in lists.memberships_api.get_page(made.list_id).results], [one], "list members")
    equal(lists.lists_api.do_search(ListSearchRequest(query="python", count=5, offset=0)).total, 1, "list search")

    # Definitions.
    stage = api.crm.properties.core_api.get_by_name("contacts", "lifecyclestage")
    equal(stage.options[0].value, "subscriber", "lifecycle stages")
    assert any(prop.name == "hs_lead_status" for prop in api.crm.properties.core_api.get_all("contacts").results)
    equal(api.crm.pipelines.pipelines_api.get_all("deals").results[0].id, "default", "deal pipeline")


if __name__ == "__main__":
    main(sys.argv[1])
    print("python client: fine")
