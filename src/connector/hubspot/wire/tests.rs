use super::*;

#[test]
fn one_bad_record_does_not_spoil_the_page_fault_37() {
    let body =
        br#"{"results":[{"id":"1","properties":{"email":"a@x.example"}},{"id":2,"properties":7},{"properties":7}],
        "paging":{"next":{"after":"3","link":"https://evil.example/x"}}}"#;
    let decoded = page(body).unwrap();
    assert_eq!(decoded.records.len(), 1);
    assert_eq!(decoded.broken[0].0, "2");
    assert_eq!((decoded.nameless, decoded.len()), (1, 3));
    assert_eq!(decoded.after.as_deref(), Some("3"));
}

#[test]
fn what_is_no_page_is_an_error_never_an_empty_page_fault_35() {
    for (body, part) in [
        ("<html><body>maintenance</body></html>", "HTML"),
        (r#"{"results":[{"id":"1","#, "ends in the middle"),
        (r#"{"status":"error"}"#, "missing field `results`"),
        ("", "ends in the middle"),
        ("null", "type"),
    ] {
        let error = page(body.as_bytes()).unwrap_err();
        assert!(error.contains(part), "{body}: {error}");
    }
}

#[test]
fn an_error_names_no_value_of_a_person() {
    let body = br#"{"results":[{"id":"1","properties":"jane@x.example"}]}"#;
    let decoded = page(body).unwrap();
    assert!(!decoded.broken[0].1.contains("jane"), "{}", decoded.broken[0].1);
}

#[test]
fn ids_are_read_as_text_and_as_numbers_section_7() {
    let body = br#"{"results":[{"from":{"id":"33451"},"to":[{"toObjectId":5790939450,"associationTypes":[{"category":"HUBSPOT_DEFINED","typeId":1,"label":"Primary"}]},{"toObjectId":"12"}]}]}"#;
    let rows: AssociationRows<'_> = whole(body).unwrap();
    let ids: Vec<&str> = rows.results[0].to.iter().map(|to| to.to_object_id.as_str()).collect();
    assert_eq!(ids, ["5790939450", "12"]);
}

#[test]
fn escaped_text_is_read_like_plain_text() {
    let decoded = page(br#"{"results":[{"id":"1","properties":{"na\u006de":"Zo\u00eb","x":null,"n":3}}]}"#).unwrap();
    assert_eq!(decoded.records[0].value("name"), Some("Zo\u{eb}"));
    assert_eq!(decoded.records[0].value("x"), None);
    assert_eq!(decoded.records[0].value("n"), Some("3"));
}

#[test]
fn an_id_or_amount_with_more_digits_than_a_float_has_is_no_text_of_another_fault_42() {
    let record =
        |id: &str, amount: &str| format!(r#"{{"results":[{{"id":{id},"properties":{{"amount":{amount}}}}}]}}"#);
    for (id, amount) in
        [("\"90071992547409931\"", "\"90071992547409931.07\""), ("9007199254740993", "18446744073709551615")]
    {
        let body = record(id, amount);
        let decoded = page(body.as_bytes()).unwrap();
        assert_eq!(decoded.records[0].id.as_str(), id.trim_matches('"'));
        assert_eq!(decoded.records[0].value("amount"), Some(amount.trim_matches('"')));
    }
    for (id, amount) in [("1", "90071992547409931234567"), ("1", "1e300"), ("90071992547409931234567", "1")] {
        let body = record(id, amount);
        let decoded = page(body.as_bytes()).unwrap();
        // Without an id that can be kept nobody can say which record it is, only that there is one.
        let (named, nameless) = if id == "1" { (1, 0) } else { (0, 1) };
        assert_eq!(decoded.records.len(), 0, "{id} {amount}");
        assert_eq!((decoded.broken.len(), decoded.nameless), (named, nameless), "{id} {amount}");
    }
}

#[test]
fn deep_json_is_no_record_and_no_overflow_fault_40() {
    for levels in [200, 100_000] {
        let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(page(deep.as_bytes()).map_or(true, |decoded| decoded.records.is_empty()), "{levels}");
        let within =
            format!(r#"{{"results":[{{"id":"1","properties":{{"name":{deep}}}}},{{"id":"2","properties":{{}}}}]}}"#);
        if let Ok(decoded) = page(within.as_bytes()) {
            assert_eq!((decoded.records.len(), decoded.broken.len()), (1, 1), "{levels}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic_faults_35_and_40(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), cut in 0..400usize) {
        drop(page(&bytes));
        let good = br#"{"results":[{"id":"1","createdAt":"x","properties":{"a":"b","n":1.5},"archived":false,
            "propertiesWithHistory":{"a":[{"value":"b","timestamp":"t"}]}}],"paging":{"next":{"after":"7"}}}"#;
        let mut mixed = good[..cut.min(good.len())].to_vec();
        mixed.extend(&bytes);
        drop(page(&mixed));
    }
}
