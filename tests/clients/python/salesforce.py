"""simple-salesforce against the sandbox org: logs in by an assertion, describes, queries, pages, writes and reads in bulk, and checks what
comes back. The org is the one described in tests/it/sandbox_clients.rs; argument: its address and the file of the app's private key.

The client knows https to Salesforce's hosts alone, so an adapter carries what it sends to the sandbox, unchanged but for the address.
"""

import csv
import io
import sys
from urllib.parse import urlsplit

import requests
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceResourceNotFound


class ToSandbox(requests.adapters.HTTPAdapter):
    def __init__(self, address):
        super().__init__()
        self.address = urlsplit(address)

    def send(self, request, **kwargs):
        parts = urlsplit(request.url)
        request.url = parts._replace(scheme=self.address.scheme, netloc=self.address.netloc).geturl()
        return super().send(request, **kwargs)


def refused(error, code, attempt):
    try:
        attempt()
    except error as failure:
        assert failure.content[0]["errorCode"] == code, failure.content
    else:
        raise AssertionError(f"{code} was expected")


def main(address, key):
    session = requests.Session()
    session.mount("https://", ToSandbox(address))
    org = Salesforce(
        username="baton@acme.example",
        consumer_key="3MVG9.sandbox.consumer.key",
        privatekey_file=key,
        domain="login",
        version="67.0",
        session=session,
    )
    auto = {"Sforce-Auto-Assign": "FALSE"}

    # describe, and the fields of one object.
    assert any(one["name"] == "Lead" for one in org.describe()["sobjects"])
    fields = {field["name"]: field for field in org.Lead.describe()["fields"]}
    assert fields["Status"]["picklistValues"][0]["value"] == "Open - Not Contacted"
    assert fields["OwnerId"]["referenceTo"] == ["User", "Group"]

    # A query of one page, of several, and by its cursor.
    assert org.query("SELECT COUNT() FROM Lead")["totalSize"] == 2500
    page = org.query("SELECT Id, Email FROM Lead ORDER BY Id")
    assert (page["totalSize"], page["done"], len(page["records"])) == (2500, False, 2000)
    rest = org.query_more(page["nextRecordsUrl"], identifier_is_url=True)
    assert (rest["done"], len(rest["records"])) == (True, 500)
    assert len(org.query_all("SELECT Id FROM Lead")["records"]) == 2500
    assert sum(1 for _ in org.query_all_iter("SELECT Id FROM Lead WHERE Email LIKE 'import1%'")) == 1111
    first = page["records"][0]["Id"]

    # Single rows: made, read, changed, upserted by an external id, deleted.
    made = org.Lead.create({"LastName": "O'Hara", "Company": "Python GmbH", "Email": "ohara@clients.example"}, headers=auto)
    assert made["success"] and made["errors"] == []
    assert org.Lead.get(made["id"])["Name"] == "O'Hara"
    assert org.Lead.update(made["id"], {"Status": "Working - Contacted"}, headers=auto) == 204
    assert org.query("SELECT Status FROM Lead WHERE LastName = 'O\\'Hara'")["records"][0]["Status"] == "Working - Contacted"
    for status in (201, 200):
        assert org.Task.upsert("BatonKey__c/python-1", {"Subject": "Call", "WhoId": made["id"]}, headers=auto) == status
    task = org.Task.get_by_custom_id("BatonKey__c", "python-1")
    assert (task["Status"], task["IsClosed"]) == ("Not Started", False)
    assert org.Task.delete(task["Id"]) == 204

    # Errors keep their bodies.
    refused(SalesforceMalformedRequest, "REQUIRED_FIELD_MISSING", lambda: org.Lead.create({"LastName": "x"}))
    refused(SalesforceMalformedRequest, "MALFORMED_QUERY", lambda: org.query("SELECT Id FROM Lead WHERE"))
    refused(SalesforceResourceNotFound, "NOT_FOUND", lambda: org.Lead.get("00Q5f0zzzzzzzzzAAA"))

    # Collections, by the client's plain road.
    rows = [{"attributes": {"type": "Lead"}, "id": made["id"], "Title": "CTO"}, {"attributes": {"type": "Lead"}, "id": first, "Nope": 1}]
    answer = org.restful("composite/sobjects", method="PATCH", json={"allOrNone": False, "records": rows})
    assert [row["success"] for row in answer] == [True, False] and answer[1]["errors"][0]["statusCode"] == "INVALID_FIELD"

    # Limits, usage of the day, what was deleted.
    assert org.limits()["DailyApiRequests"]["Max"] == 100000
    assert org.api_usage["api-usage"].total == 100000
    deleted = org.Task.deleted(*window(org))
    assert [row["id"] for row in deleted["deletedRecords"]] == [task["Id"]]

    # A bulk query, page by page.
    pages = list(org.bulk2.Lead.query("SELECT Id, Company FROM Lead WHERE Email LIKE 'import%'", max_records=1000))
    read = [row for page in pages for row in csv.DictReader(io.StringIO(page))]
    assert (len(pages), len(read)) == (3, 2500) and read[0]["Company"] == 'Imported "Ltd"\nSecond line', read[0]


def window(org):
    from datetime import datetime, timedelta, timezone

    now = datetime.now(timezone.utc)
    return now - timedelta(minutes=5), now + timedelta(minutes=5)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
    print("simple-salesforce: fine")
