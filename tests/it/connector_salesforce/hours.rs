//! Business hours and holidays as the roster's calendars (section 4, BusinessHours and Holiday).

use baton::connector::Connector as _;
use baton::sandbox::salesforce::{Fault, Salesforce};
use jiff::civil::date;
use serde_json::json;

use super::org;

fn seeded(org: &Salesforce) {
    org.add_setup(
        "BusinessHours",
        json!({"Name": "Around the clock", "IsActive": true, "TimeZoneSidKey": "Asia/Kolkata",
               "SundayStartTime": "00:00:00.000Z", "SundayEndTime": "00:00:00.000Z"}),
    );
    org.add_setup("BusinessHours", json!({"Name": "Retired", "IsActive": false, "TimeZoneSidKey": "UTC"}));
    org.add_setup(
        "Holiday",
        json!({"Name": "Christmas", "IsAllDay": true, "IsRecurrence": true, "RecurrenceType": "RecursYearly",
               "RecurrenceStartDate": "2020-12-25", "RecurrenceDayOfMonth": 25, "RecurrenceMonthOfYear": "December"}),
    );
}

#[tokio::test]
async fn business_hours_and_holidays_are_offered_as_calendars_section_4() {
    let org = org().await;
    seeded(&org.sandbox);
    let (from, to) = (date(2026, 11, 24), date(2027, 12, 31));
    let kept = org.salesforce.calendars(from, to).await.unwrap().unwrap();
    let names: Vec<&str> = kept.hours.iter().map(|hours| hours.name.as_str()).collect();
    assert_eq!(names, ["Around the clock", "Default"], "active ones");
    assert!(kept.unread.is_empty(), "{:?}", kept.unread);
    assert_eq!(
        kept.section(&kept.hours[1], org.salesforce.id()),
        [
            "[calendars.default]",
            "zone = \"Europe/Berlin\"",
            "open = { mon-fri = [\"09:00-17:00\"] }",
            "closed = [",
            "  \"2026-12-25 Christmas\",",
            "  \"2027-12-25 Christmas\",",
            "]",
            "source = { connection = \"salesforce\", hours = \"Default\" }",
        ]
    );
    assert!(
        kept.section(&kept.hours[0], org.salesforce.id()).contains(&"open = { sun = [\"00:00-24:00\"] }".to_owned())
    );
    org.sandbox.faults().set(Fault::ObjectHidden { object: "Holiday".to_owned() });
    assert!(org.salesforce.calendars(from, to).await.is_err(), "what is not shown is no calendar without holidays");
}
