//! Domains whose addresses say nothing of an employer: free-mail providers, households' access providers, throw-away boxes.
//!
//! Data, not a rule: a domain that is missing here only means that a company with that domain could be matched. Sorted,
//! so that a look is a binary search and an addition has one place.

/// Does the domain, in lower case, belong to a provider of mailboxes for everybody?
#[must_use]
pub fn is_free_mail(domain: &str) -> bool {
    DOMAINS.binary_search(&domain).is_ok()
}

#[rustfmt::skip]
const DOMAINS: &[&str] = &[
    "013.net", "10minutemail.com", "126.com", "139.com", "163.com", "189.cn", "1und1.de", "a1.net", "abv.bg",
    "aim.com", "alice-dsl.de", "alice-dsl.net", "alice.de", "alice.it", "aliceadsl.fr", "aliyun.com", "ameritech.net",
    "aol.co.uk", "aol.com", "aol.de", "aol.fr", "aon.at", "arcor.de", "arnet.com.ar", "atlas.cz", "att.net",
    "azet.sk", "bbox.fr", "belgacom.net", "bell.net", "bellsouth.net", "bezeqint.net", "bigmir.net", "bigpond.com",
    "bigpond.net.au", "bk.ru", "bluemail.ch", "bluewin.ch", "blueyonder.co.uk", "bol.com.br", "bredband.net",
    "broadpark.no", "btinternet.com", "btopenworld.com", "byom.de", "casema.nl", "cegetel.net", "centrum.cz",
    "centrum.sk", "centurylink.net", "charter.net", "chello.at", "chello.nl", "citromail.hu", "clix.pt",
    "club-internet.fr", "cogeco.ca", "comcast.net", "comhem.se", "consultant.com", "countermail.com", "cox.net",
    "daum.net", "delfi.lt", "directbox.com", "discard.email", "dispostable.com", "disroot.org", "docomo.ne.jp",
    "dodo.com.au", "dr.com", "drei.at", "duck.com", "earthlink.net", "eircom.net", "elisanet.fi", "email.com",
    "email.cz", "email.de", "email.it", "embarqmail.com", "engineer.com", "europe.com", "ewe.net", "ewetel.net",
    "excite.co.jp", "ezweb.ne.jp", "fakeinbox.com", "fastmail.com", "fastmail.fm", "fastwebnet.it", "fibertel.com.ar",
    "firemail.de", "foxmail.com", "free.fr", "freemail.hu", "freenet.de", "frontier.com", "frontiernet.net",
    "gawab.com", "gazeta.pl", "getmail.no", "getnada.com", "globo.com", "gmail.com", "gmx.at", "gmx.biz", "gmx.ch",
    "gmx.co.uk", "gmx.com", "gmx.de", "gmx.es", "gmx.eu", "gmx.fr", "gmx.info", "gmx.net", "gmx.org",
    "googlemail.com", "guerrillamail.com", "hanmail.net", "hetnet.nl", "hey.com", "hispeed.ch", "home.nl", "hot.ee",
    "hotmail.be", "hotmail.co.uk", "hotmail.com", "hotmail.com.br", "hotmail.de", "hotmail.es", "hotmail.fr",
    "hotmail.it", "hotmail.nl", "hotmail.se", "hush.com", "hushmail.com", "i.softbank.jp", "i.ua", "icloud.com",
    "ig.com.br", "iinet.net.au", "in.gr", "inbox.com", "inbox.lt", "inbox.lv", "inbox.ru", "indamail.hu",
    "indiatimes.com", "inode.at", "interia.pl", "internet.ru", "inwind.it", "iol.it", "jubii.dk", "juno.com",
    "kabelmail.de", "kabsi.at", "keemail.me", "kolumbus.fi", "kpnmail.nl", "kpnplanet.nl", "laposte.net", "libero.it",
    "list.ru", "live.at", "live.be", "live.ca", "live.co.uk", "live.com", "live.com.mx", "live.de", "live.dk",
    "live.fr", "live.it", "live.nl", "live.no", "live.se", "liwest.at", "luukku.com", "lycos.com", "lycos.de",
    "mac.com", "mail.bg", "mail.com", "mail.de", "mail.dk", "mail.ee", "mail.ru", "mail.telepac.pt", "mailbox.org",
    "maildrop.cc", "mailfence.com", "mailinator.com", "mailnesia.com", "mailo.com", "me.com", "meta.ua",
    "mindspring.com", "mintemail.com", "mohmal.com", "movistar.es", "msn.com", "mweb.co.za", "mynet.com",
    "myself.com", "mytemp.email", "myyahoo.com", "nate.com", "naver.com", "netcabo.pt", "netcologne.de",
    "netvision.net.il", "netzero.com", "netzero.net", "neuf.fr", "nifty.com", "ntlworld.com", "numericable.fr",
    "o2.pl", "o2mail.de", "o2online.de", "ofir.dk", "onet.eu", "onet.pl", "online.ch", "online.de", "online.no",
    "ono.com", "op.pl", "optimum.net", "optonline.net", "optusnet.com.au", "orange.fr", "otenet.gr", "outlook.at",
    "outlook.com", "outlook.com.br", "outlook.de", "outlook.es", "outlook.fr", "outlook.it", "outlook.jp",
    "ozemail.com.au", "pacbell.net", "passport.com", "planet.nl", "plusnet.com", "pm.me", "poczta.fm",
    "poczta.onet.pl", "post.com", "post.cz", "poste.it", "posteo.at", "posteo.ch", "posteo.de", "posteo.net",
    "posteo.org", "prodigy.net.mx", "proton.me", "protonmail.ch", "protonmail.com", "proximus.be", "q.com", "qq.com",
    "quicknet.nl", "r7.com", "rambler.ru", "rediffmail.com", "riseup.net", "roadrunner.com", "rocketmail.com",
    "rogers.com", "rr.com", "runbox.com", "sapo.pt", "sbcglobal.net", "scarlet.be", "seznam.cz", "sfr.fr",
    "sharklasers.com", "shaw.ca", "sify.com", "sina.cn", "sina.com", "sky.com", "skynet.be", "softbank.ne.jp",
    "sohu.com", "spambog.com", "speedy.com.ar", "spray.se", "startmail.com", "stofanet.dk", "suddenlink.net",
    "sunrise.ch", "suomi24.fi", "swipnet.se", "swissonline.ch", "sympatico.ca", "t-email.hu", "t-online.de",
    "talk21.com", "talktalk.net", "tdcadsl.dk", "tele2.nl", "tele2.se", "telefonica.net", "telenet.be", "telfort.nl",
    "telia.com", "telkomsa.net", "telus.net", "temp-mail.org", "tempail.com", "tempmail.com", "terra.com",
    "terra.com.br", "terra.es", "throwawaymail.com", "tim.it", "tin.it", "tiscali.ch", "tiscali.co.uk", "tiscali.it",
    "tlen.pl", "tpg.com.au", "trashmail.com", "tuta.com", "tuta.io", "tutamail.com", "tutanota.com", "tutanota.de",
    "ukr.net", "unitybox.de", "uol.com.br", "upcmail.nl", "usa.com", "utanet.at", "verizon.net", "versanet.de",
    "videotron.ca", "virgilio.it", "virgin.net", "virginmedia.com", "vodafone.de", "vodafone.it", "vodafonemail.de",
    "vodamail.co.za", "volny.cz", "voo.be", "vp.pl", "vtxmail.ch", "walla.co.il", "walla.com", "wanadoo.fr", "web.de",
    "webmail.co.za", "wegwerfmail.de", "windowslive.com", "windstream.net", "wp.pl", "xs4all.nl", "xtra.co.nz",
    "ya.ru", "yahoo.at", "yahoo.be", "yahoo.ca", "yahoo.ch", "yahoo.co.id", "yahoo.co.in", "yahoo.co.jp",
    "yahoo.co.nz", "yahoo.co.uk", "yahoo.co.za", "yahoo.com", "yahoo.com.ar", "yahoo.com.au", "yahoo.com.br",
    "yahoo.com.hk", "yahoo.com.mx", "yahoo.com.ph", "yahoo.com.sg", "yahoo.com.tr", "yahoo.com.tw", "yahoo.com.vn",
    "yahoo.de", "yahoo.dk", "yahoo.es", "yahoo.fr", "yahoo.gr", "yahoo.ie", "yahoo.in", "yahoo.it", "yahoo.nl",
    "yahoo.no", "yahoo.pl", "yahoo.ro", "yahoo.se", "yandex.com", "yandex.ru", "yandex.ua", "yeah.net", "ymail.com",
    "yopmail.com", "ziggo.nl", "zipmail.com.br", "zoho.com", "zohomail.com", "zohomail.eu", "zonnet.nl", "zoznam.sk",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_without_doubles_in_normal_form() {
        assert!(DOMAINS.is_sorted_by(|one, other| one < other));
        for domain in DOMAINS {
            assert_eq!(super::super::normal_domain(domain).unwrap().as_str(), *domain);
        }
    }

    #[test]
    fn providers_are_known_and_companies_are_not() {
        assert!(is_free_mail("gmail.com") && is_free_mail("gmx.de") && is_free_mail("163.com"));
        assert!(!is_free_mail("example.com") && !is_free_mail("google.com") && !is_free_mail("mail.example.com"));
    }
}
