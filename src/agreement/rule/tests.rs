use super::*;
use crate::document::{Source, Value, node};
use crate::domain::expr::{Facts, Verdict};
use crate::domain::field::Value as Fact;

/// The rule and its problems, each as `part: message | help`.
fn parse(rule: &str) -> (Option<Rule>, Vec<String>) {
    let text = format!("rule = '''\n{rule}'''");
    let source = Source::new("a.toml", text.clone());
    let problems = Problems::new();
    let root = node::parse(&source, &problems);
    let Value::Table(entries) = &root.value else { panic!("a table") };
    let Value::Text(rule) = &entries[0].1.value else { panic!("text") };
    let mut names = Names::default();
    names.lists.insert("competitors".into(), vec!["rival.example".into(), "Other.example".into()]);
    let rule = read(&entries[0].1, rule, "rule", Scope::Handoff, &names, &problems);
    let told = problems.list().into_iter().map(|problem| {
        let crate::document::Place::Text(_, range) = problem.place else { panic!("a place in text") };
        format!("{}: {} | {}", &text[range], problem.message, problem.help.unwrap_or_default())
    });
    (rule, told.collect())
}

#[test]
fn what_a_rule_says() {
    let mut facts = Facts::default();
    facts.set(Field::Employees, Some(Fact::Number(120.0)));
    facts.set(Field::CompanyCountry, Fact::text("DE"));
    facts.set(Field::EmailDomain, Fact::text("other.example"));
    facts.set(Field::Title, Fact::text("Head of Finance, CFO"));
    facts.set(Field::IcpFits, Some(Fact::Flag(true)));
    facts.set(Field::Fit, Some(Fact::Number(30.0)));
    facts.set_signal(Name::from("demo_request"), 2);
    let check = |text: &str, expected: Option<bool>| {
        let (rule, problems) = parse(text);
        let rule = rule.unwrap_or_else(|| panic!("{text}: {problems:?}"));
        let found = match rule.eval(&facts) {
            Verdict::Yes => Some(true),
            Verdict::No => Some(false),
            Verdict::Unknown(_) => None,
        };
        assert_eq!(found, expected, "{text}");
    };
    check("company.employees >= 50 && company.country in ['DE', 'AT', 'CH']", Some(true));
    check("lead.email_domain in lists.competitors || lead.title.has_word(['student', 'intern'])", Some(true));
    check("lead.title.has_word(['cfo', 'finance'])", Some(true));
    check("lead.title.has_word(['fin'])", Some(false));
    check("'de' == company.country", Some(true));
    check("company.country != 'de'", Some(false));
    check("icp.fits && !icp.never && score.fit >= 25", None);
    check("icp.fits == true && icp.fits != false", Some(true));
    check("has(company.owner)", Some(false));
    check("company.owner == 'x'", None);
    check("signals.demo_request >= 2 && has(signals.demo_request) && !has(signals.webinar)", Some(true));
    check("score.fit + 10 * 2 > 49.5 && -score.fit < -1 && score.fit in [10, 30]", Some(true));
    check("score.fit - 30 > 0", Some(false));
    check("lead.title.startsWith('HEAD') && lead.title.endsWith('cfo') && lead.title.contains('of F')", Some(true));
    check("company.employees / 0 > 1", None);
    check("true", Some(true));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let check = |text: &str, expected: &str| {
        let (rule, problems) = parse(text);
        assert!(rule.is_none(), "{text}");
        assert_eq!(problems.join(" // "), expected, "{text}");
    };
    check(
        "company.employes >= 50",
        "company.employes: no field is called `company.employes` | did you mean `company.employees`?",
    );
    check("employees >= 50", "employees: no field is called `employees` | did you mean `company.employees`?");
    check(
        "icp.fits && lead.title > 5",
        "lead.title > 5: text is compared with a number | put the value in quotes, or compare a number field",
    );
    check("score.fit >= '25'", "score.fit >= '25': a number is compared with text | write 25 without quotes");
    check("score.fit = 25", "=: `=` does not fit here | compare with `==`");
    check("icp.fits and icp.never", "and: `and` does not fit here | write `&&`");
    check(
        "(score.fit >= 25",
        "5: the rule ends too early | something must follow, such as a value or a closing bracket",
    );
    check(
        "company.country == 'Germany'",
        "'Germany': `company.country` is never `Germany` | countries are ISO 3166-1 codes of two letters: `'DE'`",
    );
    check(
        "lead.email_domain in lists.competitor",
        "lists.competitor: no list is called `competitor` | did you mean `competitors`?",
    );
    check(
        "lead.title",
        "lead.title: `lead.title` is text, not a condition | write `lead.title == '...'` or `has(lead.title)`",
    );
    check("[1].exists(x, x > 1)", "(: a rule has no loops | use `in [...]`, `lists.name` or `.has_word([...])`");
    check("icp.fits ? true : false", "?: a rule has no `? :` | write `(a && b) || (!a && c)`, or two rules");
    check(
        "lead.title.hasword(['a'])",
        "lead.title.hasword(['a']): a rule has no `.hasword()` | did you mean `has_word`?",
    );
    check("lead.stage == 'mqll'", "'mqll': `lead.stage` is never `mqll` | did you mean `mql`?");
    check(
        "size(lead.title) > 3",
        "size(lead.title): a rule has no `size()` | only `has(...)` stands in front of a bracket",
    );
    check("lead.title > 'a'", "lead.title > 'a': text has no order here | compare text with `==`, `!=` or `in`");
    check("has(lead.titel)", "lead.titel: no field is called `lead.titel` | did you mean `lead.title`?");
    check("lead.title == 'a", "'a: a text that is opened with ' is not closed | add '");
}

#[test]
fn two_mistakes_in_one_rule_are_both_told() {
    let (_, problems) = parse("company.employes >= 50 && lead.titel == 'x'");
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn deep_and_long_rules_are_refused() {
    for text in [
        format!("{}true{}", "(".repeat(5_00), ")".repeat(5_00)),
        format!("{}true{}", "(".repeat(40), ")".repeat(40)),
        "icp.fits && ".repeat(400) + "true",
        format!("score.fit > {}1", "1 + ".repeat(300)),
        format!("{}true", "!".repeat(3_900)),
        format!("score.fit > {}1", "-".repeat(3_900)),
        format!("a{}", ".b".repeat(1_900)),
    ] {
        let (rule, problems) = parse(&text);
        assert!(rule.is_none() || text.starts_with('!') || text.contains("--"), "{text}");
        assert!(rule.is_some() || !problems.is_empty(), "{text}");
    }
}

#[test]
fn no_rule_reads_files_or_variables_or_runs_anything_fault_136() {
    for text in [
        "env('HUBSPOT_TOKEN') == 'x'",
        "file('/etc/passwd').contains('root')",
        "system('id') == ''",
        "lead.title.matches('(a+)+$')",
        "[1, 2].all(x, x > 0)",
        "lead.title == env.HOME",
        "${HOME} == ''",
    ] {
        let (rule, problems) = parse(text);
        assert!(rule.is_none() && !problems.is_empty(), "{text}: {problems:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "([a-z.]{0,9}|[0-9]{1,3}|[ ()\\[\\]'\"&|!=<>+*/,?:-]|has|in|icp.fits|score.fit){0,30}") {
        parse(&text.replace("'''", ""));
    }
}
