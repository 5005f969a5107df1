//! The portal's property definitions: what a property is, which values it takes, and the sheet's refusals.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::{Answer, problem_with, time_text};
use super::kind::Kind;

/// One choice of an enumeration.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) label: String,
    pub(super) value: String,
    pub(super) order: i64,
    pub(super) hidden: bool,
}

/// One property definition.
#[derive(Clone, Debug)]
pub(super) struct Property {
    pub(super) name: Arc<str>,
    pub(super) label: String,
    pub(super) data_type: String,
    pub(super) field_type: String,
    pub(super) group: String,
    pub(super) description: String,
    pub(super) options: Vec<Choice>,
    pub(super) is_unique: bool,
    pub(super) is_archived: bool,
    pub(super) is_read_only: bool,
    pub(super) is_custom: bool,
    pub(super) changed: i64,
}

/// Where a property's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Kept with the object under this number.
    Stored(u16),
    /// The record id.
    Id,
    /// The creation time.
    Created,
    /// The last-modified time.
    Modified,
    /// The old ids of a merged record.
    Merged,
}

/// The definitions of one object type.
#[derive(Debug, Default)]
pub(super) struct Schema {
    pub(super) properties: Vec<Property>,
    by_name: HashMap<Arc<str>, u16>,
    pub(super) groups: BTreeMap<String, String>,
}

impl Schema {
    pub(super) fn of(kind: Kind, now: i64) -> Self {
        let mut schema = Self::default();
        let group = match kind {
            Kind::Contact => "contactinformation",
            Kind::Company => "companyinformation",
            Kind::Deal => "dealinformation",
            Kind::Lead => "leadinformation",
            Kind::Task | Kind::Note | Kind::Call | Kind::Email | Kind::Meeting => "engagement",
        };
        schema.groups.insert(group.to_owned(), group.to_owned());
        let common = "hs_object_id:number! hubspot_owner_id:owner hubspot_owner_assigneddate:datetime! hs_merged_object_ids:string! \
                      hs_object_source:string! hs_object_source_label:string!";
        let own = own_properties(kind);
        let times = format!("{}:datetime! {}:datetime!", kind.created(), kind.modified());
        for word in own.split_whitespace().chain(common.split_whitespace()).chain(times.split_whitespace()) {
            schema.define_word(word, group, now);
        }
        schema
    }

    /// `name:type!` with `!` for read-only; options by name in [`default_options`].
    fn define_word(&mut self, word: &str, group: &str, now: i64) {
        let (name, rest) = word.split_once(':').unwrap_or((word, "string"));
        let is_read_only = rest.ends_with('!');
        let short = rest.trim_end_matches('!');
        let (data_type, field_type) = match short {
            "enum" => ("enumeration", "select"),
            "checkbox" => ("enumeration", "checkbox"),
            "owner" => ("enumeration", "owner"),
            "bool" => ("bool", "booleancheckbox"),
            "number" => ("number", "number"),
            "date" => ("date", "date"),
            "datetime" => ("datetime", "date"),
            "text" => ("string", "textarea"),
            _ => ("string", "text"),
        };
        let options = default_options(name)
            .iter()
            .zip(0..)
            .map(|((value, label), order)| Choice {
                label: (*label).to_owned(),
                value: (*value).to_owned(),
                order,
                hidden: false,
            })
            .collect();
        self.add(Property {
            name: name.into(),
            label: name.trim_start_matches("hs_").replace('_', " "),
            data_type: data_type.to_owned(),
            field_type: field_type.to_owned(),
            group: group.to_owned(),
            description: String::new(),
            options,
            is_unique: name == "email" && group == "contactinformation",
            is_archived: false,
            is_read_only,
            is_custom: false,
            changed: now,
        });
    }

    /// Adds a definition, or replaces the archived one of that name; answers with its number.
    pub(super) fn add(&mut self, property: Property) -> u16 {
        if let Some(number) = self.by_name.get(&property.name) {
            self.properties[usize::from(*number)] = property;
            return *number;
        }
        let number = u16::try_from(self.properties.len()).unwrap_or(u16::MAX);
        self.by_name.insert(property.name.clone(), number);
        self.properties.push(property);
        number
    }

    /// The number of a property that exists and is not archived.
    pub(super) fn find(&self, name: &str) -> Option<u16> {
        self.any(name).filter(|number| !self.properties[usize::from(*number)].is_archived)
    }

    /// As [`Schema::find`], archived ones included.
    pub(super) fn any(&self, name: &str) -> Option<u16> {
        self.by_name.get(name).copied()
    }

    pub(super) fn get(&self, number: u16) -> &Property {
        &self.properties[usize::from(number)]
    }

    pub(super) fn get_mut(&mut self, number: u16) -> &mut Property {
        &mut self.properties[usize::from(number)]
    }

    /// Where the values of `name` come from; `None` if the property is not defined.
    pub(super) fn source(&self, kind: Kind, name: &str) -> Option<Source> {
        let number = self.find(name)?;
        Some(if name == "hs_object_id" {
            Source::Id
        } else if name == kind.created() {
            Source::Created
        } else if name == kind.modified() {
            Source::Modified
        } else if name == "hs_merged_object_ids" {
            Source::Merged
        } else {
            Source::Stored(number)
        })
    }

    /// The place of `stage` among the lifecycle stages; `None` for one the portal lacks.
    pub(super) fn stage_order(&self, stage: &str) -> Option<i64> {
        let property = self.get(self.find("lifecyclestage")?);
        property.options.iter().find(|choice| choice.value == stage).map(|choice| choice.order)
    }
}

/// The definition as the property API answers it. Source: sheet section 10.7.
pub(super) fn property_json(property: &Property) -> Value {
    let options: Vec<Value> = property
        .options
        .iter()
        .map(|choice| {
            json!({"label": choice.label, "value": choice.value, "displayOrder": choice.order, "hidden": choice.hidden, "description": ""})
        })
        .collect();
    json!({
        "name": &*property.name, "label": property.label, "type": property.data_type, "fieldType": property.field_type,
        "groupName": property.group, "description": property.description, "options": options,
        "hasUniqueValue": property.is_unique, "archived": property.is_archived, "hidden": false, "displayOrder": -1,
        "calculated": false, "externalOptions": property.field_type == "owner", "formField": !property.is_read_only,
        "hubspotDefined": !property.is_custom, "createdAt": time_text(property.changed), "updatedAt": time_text(property.changed),
        "modificationMetadata": {
            "archivable": property.is_custom, "readOnlyDefinition": !property.is_custom, "readOnlyOptions": false,
            "readOnlyValue": property.is_read_only
        }
    })
}

/// Why a value was refused: a code and words. Source: sheet section 9 (a).
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) property: String,
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// One bad property rejects the whole record; the body lists all of them. Source: sheet section 9 (a).
pub(super) fn refuse(refusals: &[Refusal], portal: i64) -> Answer {
    let inner: Vec<Value> = refusals
        .iter()
        .map(|refusal| {
            json!({"isValid": false, "message": refusal.message, "error": refusal.code, "name": refusal.property,
                   "localizedErrorMessage": refusal.message, "portalId": portal})
        })
        .collect();
    let errors: Vec<Value> = refusals
        .iter()
        .map(|refusal| json!({"message": refusal.message, "code": refusal.code, "context": {"propertyName": [refusal.property]}}))
        .collect();
    problem_with(
        400,
        "VALIDATION_ERROR",
        format!("Property values were not valid: {}", Value::Array(inner)),
        &json!({"errors": errors}),
    )
}

/// What a checked value becomes.
pub(super) enum Checked {
    /// Kept as it is.
    Same,
    /// Kept in another form.
    As(String),
    /// Kept in another form that the answer must report. Source: sheet section 2, `PROPERTY_VALUE_NORMALIZED`.
    Normalised(String),
}

/// Checks `value` against the type. An empty value clears and is always allowed.
pub(super) fn check(property: &Property, value: &str, normalises_dates: bool) -> Result<Checked, Refusal> {
    let refusal = |code, message: String| Err(Refusal { property: property.name.to_string(), code, message });
    if value.is_empty() {
        return Ok(Checked::Same);
    }
    match property.data_type.as_str() {
        "number" if value.trim().parse::<f64>().is_err() => {
            refusal("INVALID_INTEGER", format!("{value} was not a valid number."))
        }
        "bool" if !matches!(value, "true" | "false") => refusal(
            "INVALID_OPTION",
            format!(
                "{value} was not one of the allowed options: [label: \"Yes\"\nvalue: \"true\", label: \"No\"\nvalue: \"false\"]"
            ),
        ),
        "datetime" => match instant(value) {
            None => refusal("INVALID_DATE", format!("{value} was not a valid date.")),
            Some(millisecond) => Ok(Checked::As(time_text(millisecond))),
        },
        "date" => match instant(value) {
            None => refusal("INVALID_DATE", format!("{value} was not a valid date.")),
            Some(millisecond) => {
                let midnight = millisecond.div_euclid(86_400_000) * 86_400_000;
                let day = time_text(midnight)[..10].to_owned();
                if midnight == millisecond {
                    Ok(Checked::As(day))
                } else if normalises_dates {
                    Ok(Checked::Normalised(day))
                } else {
                    refusal("INVALID_DATE", format!("{value} is at {} UTC, not midnight!", time_text(millisecond)))
                }
            }
        },
        "enumeration" if property.field_type != "owner" => {
            let unknown = value
                .split(';')
                .filter(|part| !part.is_empty())
                .find(|part| !property.options.iter().any(|choice| choice.value == *part));
            let too_many = property.field_type != "checkbox" && value.contains(';');
            if let Some(part) = unknown.or(too_many.then_some(value)) {
                let allowed: Vec<String> = property
                    .options
                    .iter()
                    .map(|choice| format!("label: \"{}\"\nvalue: \"{}\"", choice.label, choice.value))
                    .collect();
                return refusal(
                    "INVALID_OPTION",
                    format!("{part} was not one of the allowed options: [{}]", allowed.join(", ")),
                );
            }
            Ok(Checked::Same)
        }
        "string" if value.chars().count() > 65_536 => refusal(
            "PROPERTY_VALUE_TOO_LONG",
            format!("The value of {} is longer than 65536 characters", property.name),
        ),
        "string" if &*property.name == "email" && property.is_unique => {
            if value
                .split_once('@')
                .is_some_and(|(user, host)| !user.is_empty() && host.contains('.') && !host.contains(' '))
            {
                Ok(Checked::As(value.trim().to_lowercase()))
            } else {
                refusal("INVALID_EMAIL", format!("Email address {value} is invalid"))
            }
        }
        _ => Ok(Checked::Same),
    }
}

/// Reads epoch milliseconds or an ISO date or instant; a local time without a zone is refused.
pub(super) fn instant(text: &str) -> Option<i64> {
    if let Ok(millisecond) = text.parse::<i64>() {
        return Some(millisecond);
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.as_millisecond());
    }
    let day: jiff::civil::Date = (text.len() == 10).then(|| text.parse().ok()).flatten()?;
    Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// Source: sheet section 3, the tables of objects, follow-up evidence, signals and consent.
fn own_properties(kind: Kind) -> &'static str {
    match kind {
        Kind::Contact => {
            "email firstname lastname phone mobilephone company jobtitle website address city state zip country industry \
             hs_linkedin_url lifecyclestage:enum hs_lead_status:enum hs_additional_emails:string! associatedcompanyid:number \
             recent_conversion_event_name:string! recent_conversion_date:datetime! first_conversion_event_name:string! \
             first_conversion_date:datetime! num_conversion_events:number! hs_analytics_source:enum! hs_latest_source:enum! \
             hs_latest_source_timestamp:datetime! hs_analytics_num_page_views:number! hs_analytics_num_visits:number! \
             hs_analytics_last_visit_timestamp:datetime! hs_analytics_last_url:string! hs_email_last_open_date:datetime! \
             hs_email_last_click_date:datetime! hs_email_optout:bool! notes_last_contacted:datetime! notes_last_updated:datetime! \
             hs_first_outreach_date:datetime! hs_sa_first_engagement_date:datetime! hs_last_sales_activity_timestamp:datetime! \
             hs_persona:checkbox hs_language numemployees:number annualrevenue:number"
        }
        Kind::Company => {
            "name domain hs_additional_domains:string! website phone address city state zip country industry:enum type description \
             numberofemployees:number annualrevenue:number lifecyclestage:enum hs_lead_status:enum founded_year linkedin_company_page"
        }
        Kind::Deal => {
            "dealname pipeline dealstage amount:number closedate:datetime dealtype description hs_is_closed:bool! \
             hs_is_closed_won:bool! hs_deal_stage_probability:number! closed_lost_reason closed_won_reason"
        }
        Kind::Lead => {
            "hs_lead_name hs_lead_type:enum hs_lead_label:enum hs_pipeline hs_pipeline_stage hs_lead_disqualification_reason"
        }
        Kind::Task => {
            "hs_timestamp:datetime hs_task_subject hs_task_body:text hs_task_status:enum hs_task_priority:enum hs_task_type:enum \
             hs_task_reminders hs_created_by_user_id:number! hs_task_completion_date:datetime!"
        }
        Kind::Note => "hs_timestamp:datetime hs_note_body:text hs_attachment_ids hs_created_by_user_id:number!",
        Kind::Call => {
            "hs_timestamp:datetime hs_call_title hs_call_body:text hs_call_direction:enum hs_call_status:enum hs_call_disposition \
             hs_call_duration:number hs_call_from_number hs_call_to_number hs_call_recording_url hs_activity_type hs_created_by_user_id:number!"
        }
        Kind::Email => {
            "hs_timestamp:datetime hs_email_direction:enum hs_email_status:enum hs_email_subject hs_email_text:text hs_email_html:text \
             hs_email_headers:text hs_email_from_email:string! hs_email_to_email:string! hs_attachment_ids hs_created_by_user_id:number!"
        }
        Kind::Meeting => {
            "hs_timestamp:datetime hs_meeting_title hs_meeting_body:text hs_internal_meeting_notes:text hs_meeting_start_time:datetime \
             hs_meeting_end_time:datetime hs_meeting_outcome:enum hs_meeting_location hs_meeting_external_url hs_activity_type \
             hs_created_by_user_id:number!"
        }
    }
}

/// Default choices. Source: sheet section 3.
fn default_options(name: &str) -> &'static [(&'static str, &'static str)] {
    match name {
        "lifecyclestage" => &[
            ("subscriber", "Subscriber"),
            ("lead", "Lead"),
            ("marketingqualifiedlead", "Marketing Qualified Lead"),
            ("salesqualifiedlead", "Sales Qualified Lead"),
            ("opportunity", "Opportunity"),
            ("customer", "Customer"),
            ("evangelist", "Evangelist"),
            ("other", "Other"),
        ],
        "hs_lead_status" => &[
            ("NEW", "New"),
            ("OPEN", "Open"),
            ("IN_PROGRESS", "In Progress"),
            ("OPEN_DEAL", "Open Deal"),
            ("UNQUALIFIED", "Unqualified"),
            ("ATTEMPTED_TO_CONTACT", "Attempted to Contact"),
            ("CONNECTED", "Connected"),
            ("BAD_TIMING", "Bad Timing"),
        ],
        "hs_analytics_source" | "hs_latest_source" => &[
            ("ORGANIC_SEARCH", "Organic Search"),
            ("PAID_SEARCH", "Paid Search"),
            ("EMAIL_MARKETING", "Email Marketing"),
            ("SOCIAL_MEDIA", "Organic Social"),
            ("REFERRALS", "Referrals"),
            ("OTHER_CAMPAIGNS", "Other Campaigns"),
            ("DIRECT_TRAFFIC", "Direct Traffic"),
            ("OFFLINE", "Offline Sources"),
            ("PAID_SOCIAL", "Paid Social"),
        ],
        "hs_persona" => &[("persona_1", "Persona 1"), ("persona_2", "Persona 2")],
        "industry" => &[
            ("COMPUTER_SOFTWARE", "Computer Software"),
            ("MACHINERY", "Machinery"),
            ("AUTOMOTIVE", "Automotive"),
            ("CHEMICALS", "Chemicals"),
            ("FINANCIAL_SERVICES", "Financial Services"),
            ("HOSPITAL_HEALTH_CARE", "Hospital & Health Care"),
            ("LOGISTICS_AND_SUPPLY_CHAIN", "Logistics and Supply Chain"),
            ("RETAIL", "Retail"),
        ],
        "hs_lead_type" => &[("NEW_BUSINESS", "New Business"), ("RE_ENGAGE", "Re-engage"), ("UPSELL", "Upsell")],
        "hs_lead_label" => &[("HOT", "Hot"), ("WARM", "Warm"), ("COLD", "Cold")],
        "hs_task_status" => &[
            ("NOT_STARTED", "Not started"),
            ("IN_PROGRESS", "In progress"),
            ("WAITING", "Waiting"),
            ("DEFERRED", "Deferred"),
            ("COMPLETED", "Completed"),
        ],
        "hs_task_priority" => &[("LOW", "Low"), ("MEDIUM", "Medium"), ("HIGH", "High")],
        "hs_task_type" => &[("EMAIL", "Email"), ("CALL", "Call"), ("TODO", "To-do")],
        "hs_call_direction" => &[("INBOUND", "Inbound"), ("OUTBOUND", "Outbound")],
        "hs_call_status" => &[
            ("BUSY", "Busy"),
            ("CALLING_CRM_USER", "Calling user"),
            ("CANCELED", "Canceled"),
            ("COMPLETED", "Completed"),
            ("CONNECTING", "Connecting"),
            ("FAILED", "Failed"),
            ("IN_PROGRESS", "In progress"),
            ("NO_ANSWER", "No answer"),
            ("QUEUED", "Queued"),
            ("RINGING", "Ringing"),
            ("missed", "Missed"),
        ],
        "hs_email_direction" => {
            &[("EMAIL", "Email"), ("INCOMING_EMAIL", "Incoming email"), ("FORWARDED_EMAIL", "Forwarded email")]
        }
        "hs_email_status" => &[
            ("SENT", "Sent"),
            ("BOUNCED", "Bounced"),
            ("FAILED", "Failed"),
            ("SCHEDULED", "Scheduled"),
            ("SENDING", "Sending"),
        ],
        "hs_meeting_outcome" => &[
            ("SCHEDULED", "Scheduled"),
            ("COMPLETED", "Completed"),
            ("RESCHEDULED", "Rescheduled"),
            ("NO_SHOW", "No show"),
            ("CANCELED", "Canceled"),
        ],
        _ => &[],
    }
}
