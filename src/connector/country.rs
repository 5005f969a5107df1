//! Country names as CRMs write them -> ISO 3166-1 alpha-2. Pure; a name that is not here becomes a finding, never a guess.

/// The two-letter code of a country given by its code or by a common name (English, or its own language); without regard to
/// case, accents are as written. `None` if it is not known.
#[must_use]
pub fn iso2(text: &str) -> Option<&'static str> {
    let text = text.trim();
    if text.len() == 2 && text.is_ascii() {
        let upper = text.to_ascii_uppercase();
        let known = CODES.split(' ').find(|code| *code == upper);
        return if upper == "UK" { Some("GB") } else { known };
    }
    let lower = text.to_lowercase();
    let lower = lower.trim_start_matches("the ").trim_end_matches('.');
    NAMES.iter().find(|(_, names)| names.split('|').any(|name| name == lower)).map(|(code, _)| *code)
}

/// The codes that ISO 3166-1 gives out.
const CODES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// Names in lower case, the most common first.
const NAMES: &[(&str, &str)] = &[
    ("DE", "germany|deutschland|federal republic of germany|allemagne|alemania"),
    ("US", "united states|united states of america|usa|u.s.a|u.s|america"),
    ("GB", "united kingdom|great britain|england|scotland|wales|northern ireland|u.k|britain"),
    ("AT", "austria|österreich|oesterreich"),
    ("CH", "switzerland|schweiz|suisse|svizzera"),
    ("FR", "france|frankreich|francia"),
    ("NL", "netherlands|nederland|holland"),
    ("BE", "belgium|belgique|belgië|belgien"),
    ("ES", "spain|españa|spanien"),
    ("IT", "italy|italia|italien"),
    ("PT", "portugal"),
    ("PL", "poland|polska|polen"),
    ("CZ", "czech republic|czechia|česko|tschechien"),
    ("SK", "slovakia|slovensko|slowakei"),
    ("HU", "hungary|magyarország|ungarn"),
    ("RO", "romania|românia"),
    ("BG", "bulgaria"),
    ("GR", "greece|ελλάδα|griechenland"),
    ("HR", "croatia|hrvatska"),
    ("SI", "slovenia|slovenija"),
    ("RS", "serbia|srbija"),
    ("BA", "bosnia and herzegovina"),
    ("DK", "denmark|danmark|dänemark"),
    ("SE", "sweden|sverige|schweden"),
    ("NO", "norway|norge|norwegen"),
    ("FI", "finland|suomi|finnland"),
    ("IS", "iceland|ísland"),
    ("IE", "ireland|éire|republic of ireland|irland"),
    ("LU", "luxembourg|luxemburg"),
    ("LI", "liechtenstein"),
    ("EE", "estonia|eesti"),
    ("LV", "latvia|latvija"),
    ("LT", "lithuania|lietuva"),
    ("MT", "malta"),
    ("CY", "cyprus"),
    ("UA", "ukraine"),
    ("BY", "belarus"),
    ("MD", "moldova"),
    ("RU", "russia|russian federation"),
    ("TR", "turkey|türkiye|turkiye"),
    ("CA", "canada|kanada"),
    ("MX", "mexico|méxico"),
    ("BR", "brazil|brasil"),
    ("AR", "argentina"),
    ("CL", "chile"),
    ("CO", "colombia"),
    ("PE", "peru|perú"),
    ("UY", "uruguay"),
    ("EC", "ecuador"),
    ("VE", "venezuela"),
    ("CR", "costa rica"),
    ("PA", "panama|panamá"),
    ("GT", "guatemala"),
    ("DO", "dominican republic"),
    ("PR", "puerto rico"),
    ("AU", "australia|australien"),
    ("NZ", "new zealand"),
    ("JP", "japan|日本"),
    ("CN", "china|people's republic of china|中国"),
    ("HK", "hong kong"),
    ("TW", "taiwan"),
    ("KR", "south korea|korea|republic of korea|korea, republic of"),
    ("SG", "singapore"),
    ("MY", "malaysia"),
    ("TH", "thailand"),
    ("VN", "vietnam|viet nam"),
    ("ID", "indonesia"),
    ("PH", "philippines"),
    ("IN", "india|indien"),
    ("PK", "pakistan"),
    ("BD", "bangladesh"),
    ("LK", "sri lanka"),
    ("NP", "nepal"),
    ("KZ", "kazakhstan"),
    ("GE", "georgia"),
    ("AM", "armenia"),
    ("AZ", "azerbaijan"),
    ("IL", "israel"),
    ("AE", "united arab emirates|uae|u.a.e"),
    ("SA", "saudi arabia"),
    ("QA", "qatar"),
    ("KW", "kuwait"),
    ("BH", "bahrain"),
    ("OM", "oman"),
    ("JO", "jordan"),
    ("LB", "lebanon"),
    ("IQ", "iraq"),
    ("IR", "iran"),
    ("EG", "egypt"),
    ("MA", "morocco|maroc"),
    ("DZ", "algeria"),
    ("TN", "tunisia"),
    ("ZA", "south africa"),
    ("NG", "nigeria"),
    ("KE", "kenya"),
    ("GH", "ghana"),
    ("ET", "ethiopia"),
    ("TZ", "tanzania"),
    ("UG", "uganda"),
    ("AL", "albania"),
    ("MK", "north macedonia|macedonia"),
    ("ME", "montenegro"),
    ("XK", "kosovo"),
    ("MC", "monaco"),
    ("AD", "andorra"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_known_by_code_and_by_name() {
        for (text, code) in [
            ("de", Some("DE")),
            (" Germany ", Some("DE")),
            ("Deutschland", Some("DE")),
            ("UK", Some("GB")),
            ("The Netherlands", Some("NL")),
            ("U.S.A.", Some("US")),
            ("ÖSTERREICH", Some("AT")),
            ("zz", None),
            ("Atlantis", None),
            ("", None),
        ] {
            assert_eq!(iso2(text), code, "{text}");
        }
    }
}
