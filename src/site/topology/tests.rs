use std::sync::{Arc, LazyLock};

use super::*;
use crate::config::{RepositorySettings, VirtualProxyFilter, VirtualProxyPattern};
use qlik_sense::QlikUser;
use qlik_sense::credentials::{Credentials, Verify, parse_certificates, parse_key};
use qlik_sense::qrs::Skipped;
use qlik_sense::qrs::{Link, VirtualProxyFacts};
use qlik_sense::types::PrefixError;

static CREDENTIALS: LazyLock<Arc<Credentials>> = LazyLock::new(|| {
    let certificates =
        parse_certificates(include_bytes!("../../../crates/qlik-sense/tests/keys/certificate-rsa.pem"))
            .unwrap();
    let key = parse_key(include_bytes!("../../../crates/qlik-sense/tests/keys/pkcs1-rsa.pem"), None).unwrap();
    Arc::new(Credentials::new(certificates.clone(), key.signing, certificates, Verify::Full).unwrap())
});

fn parsed(prefix: &str) -> VirtualProxy {
    VirtualProxy::parse(prefix).unwrap()
}

pub(crate) fn site(proxies: Vec<ProxySettings>) -> SiteSettings {
    SiteSettings {
        name: "production".into(),
        by_flags: false,
        user: QlikUser { directory: "INTERNAL".into(), id: "sa_api".into() },
        credentials: CREDENTIALS.clone(),
        repository: Some(RepositorySettings {
            url: Url::parse("https://sense1:4242").unwrap(),
            refresh: Duration::from_secs(300),
        }),
        virtual_proxies: VirtualProxyFilter::default(),
        proxies,
    }
}

fn filtered(only: Option<&[&str]>, exclude: &[&str]) -> SiteSettings {
    let patterns = |texts: &[&str]| texts.iter().map(|t| VirtualProxyPattern::parse(t).unwrap()).collect();
    let filter = VirtualProxyFilter { only: only.map(patterns), exclude: patterns(exclude) };
    SiteSettings { virtual_proxies: filter, ..site(vec![]) }
}

fn section(name: &str, url: Option<&str>, prefixes: Option<&[&str]>) -> ProxySettings {
    ProxySettings {
        name: name.into(),
        url: url.map(|url| Url::parse(url).unwrap()),
        virtual_proxies: prefixes.map(|prefixes| prefixes.iter().map(|prefix| parsed(prefix)).collect()),
    }
}

pub(crate) fn service(name: &str, host: &str, prefixes: &[&str]) -> ProxyService {
    let link = |prefix: &&str| Link { id: format!("id-{prefix}"), virtual_proxy: parsed(prefix) };
    ProxyService {
        id: format!("id-{name}-{host}"),
        name: name.into(),
        host: host.into(),
        port: 4243,
        links: prefixes.iter().map(link).collect(),
    }
}

fn facts(prefix: &str) -> VirtualProxyFacts {
    VirtualProxyFacts {
        id: format!("id-{prefix}"),
        virtual_proxy: parsed(prefix),
        description: format!("{prefix} people"),
        session_cookie_header: format!("X-Qlik-Session-{prefix}"),
        inactivity_timeout: Some(Duration::from_secs(1800)),
        load_balancing_nodes: vec![],
    }
}

pub(crate) fn found(proxy_services: Vec<ProxyService>, prefixes: &[&str]) -> Found {
    let virtual_proxies = prefixes.iter().map(|prefix| facts(prefix)).collect();
    Found { version: Some("32.25.0.0".into()), proxy_services, virtual_proxies, skipped: vec![] }
}

/// Two nodes with uneven links, and a virtual proxy that neither links.
fn uneven() -> Found {
    found(
        vec![
            service("Central", "sense1.company.com", &["", "sales"]),
            service("Edge", "sense2.company.com", &["sales", "finance"]),
        ],
        &["", "sales", "finance", "unlinked"],
    )
}

/// Each pair as `label address path`.
fn pairs(topology: &Topology) -> Vec<String> {
    let of = |plan: &ProxyPlan| {
        let (name, address) = (plan.name.clone(), format!("{}:{}", plan.host, plan.port));
        let pair = move |virtual_proxy: &VirtualProxy| format!("{name} {address} {virtual_proxy}");
        plan.virtual_proxies.iter().map(pair).collect::<Vec<_>>()
    };
    topology.proxies.iter().flat_map(of).collect()
}

fn names(topology: &Topology) -> Vec<&str> {
    topology.proxies.iter().map(|plan| &*plan.name).collect()
}

fn notes(topology: &Topology) -> Vec<String> {
    topology.notes.iter().map(Note::to_string).collect()
}

#[test]
fn exactly_the_linked_pairs_are_queried() {
    let topology = Topology::new(&site(vec![]), Some(&uneven()));
    assert_eq!(
        pairs(&topology),
        [
            "Central sense1.company.com:4243 /",
            "Central sense1.company.com:4243 /sales",
            "Edge sense2.company.com:4243 /finance",
            "Edge sense2.company.com:4243 /sales",
        ]
    );
    let found_as = FoundAs { name: "Central".into(), host: "sense1.company.com".into() };
    assert_eq!(topology.proxies[0].found, Some(found_as));
    assert_eq!(topology.version.as_deref(), Some("32.25.0.0"));
    assert_eq!(notes(&topology), [""; 0]);
}

#[test]
fn every_virtual_proxy_is_known_with_the_number_of_its_links() {
    let topology = Topology::new(&site(vec![]), Some(&uneven()));
    let linked: Vec<_> =
        topology.virtual_proxies.iter().map(|plan| (plan.virtual_proxy.path(), plan.linked)).collect();
    assert_eq!(linked, [("/", 1), ("/finance", 1), ("/sales", 2), ("/unlinked", 0)]);
    assert_eq!(topology.virtual_proxies[1].description, "finance people");
    assert_eq!(topology.virtual_proxies[1].session_cookie_header, "X-Qlik-Session-finance");
}

#[test]
fn a_proxy_without_links_is_known_and_not_queried() {
    let topology = Topology::new(&site(vec![]), Some(&found(vec![service("Idle", "sense9", &[])], &[])));
    assert_eq!(names(&topology), ["Idle"]);
    assert_eq!(pairs(&topology), [""; 0]);
    let bare = site(vec![section("Idle", None, None)]);
    assert_eq!(
        pairs(&Topology::new(&bare, Some(&found(vec![service("Idle", "sense9", &[])], &[])))),
        [""; 0]
    );
}

#[test]
fn a_link_is_the_virtual_proxy_of_its_id_whatever_prefix_it_has() {
    let mut of_id = uneven();
    of_id.proxy_services[0].links = vec![
        Link { id: "id-finance".into(), virtual_proxy: parsed("old") },
        Link { id: "id-finance".into(), virtual_proxy: parsed("finance") },
        Link { id: "unknown".into(), virtual_proxy: parsed("hidden") },
        Link { id: String::new(), virtual_proxy: parsed("hidden") },
    ];
    of_id.virtual_proxies.push(VirtualProxyFacts { id: String::new(), ..facts("nameless") });
    of_id.proxy_services.truncate(1);
    let topology = Topology::new(&site(vec![]), Some(&of_id));
    assert_eq!(
        pairs(&topology),
        ["Central sense1.company.com:4243 /finance", "Central sense1.company.com:4243 /hidden"]
    );
}

#[test]
fn filters_hold_for_queries_and_for_metrics() {
    let topology = Topology::new(&filtered(Some(&["/", "*a*"]), &["fin*"]), Some(&uneven()));
    assert_eq!(
        pairs(&topology),
        [
            "Central sense1.company.com:4243 /",
            "Central sense1.company.com:4243 /sales",
            "Edge sense2.company.com:4243 /sales",
        ]
    );
    let prefixes: Vec<_> = topology.virtual_proxies.iter().map(|plan| plan.virtual_proxy.path()).collect();
    assert_eq!(prefixes, ["/", "/sales"]);
    let none = Topology::new(&filtered(None, &["*"]), Some(&uneven()));
    assert_eq!((names(&none), pairs(&none)), (vec!["Central", "Edge"], vec![]));
}

#[test]
fn an_unmatched_filter_is_noted_once_the_repository_has_answered() {
    let settings = filtered(Some(&["sales", "slaes", "/x*"]), &["nothing"]);
    let fits_nothing = ["/slaes", "/x*"].map(|text| Note::FitsNothing(text.into()));
    assert_eq!(Topology::new(&settings, Some(&uneven())).notes, fits_nothing);
    assert_eq!(Topology::new(&settings, None).notes, []);
}

#[test]
fn the_filters_hold_for_the_prefixes_of_a_section_too() {
    let mut settings = filtered(None, &["sales"]);
    settings.proxies = vec![section("Central", None, Some(&["sales", "other"]))];
    let topology = Topology::new(&settings, Some(&uneven()));
    assert_eq!(
        pairs(&topology),
        ["Central sense1.company.com:4243 /other", "Edge sense2.company.com:4243 /finance"]
    );
}

#[test]
fn a_proxy_is_named_by_its_host_when_it_has_no_name_or_shares_it() {
    let services = vec![
        service("", "sense1", &[""]),
        service("Node", "sense2", &[""]),
        service("Node", "sense3", &[""]),
        service("Other", "sense4", &[""]),
        ProxyService { port: 5243, ..service("", "sense1", &[""]) },
        service("", "Other", &[""]),
    ];
    let topology = Topology::new(&site(vec![]), Some(&found(services, &[""])));
    assert_eq!(names(&topology), ["Other", "Other:4243", "sense1", "sense1:5243", "sense2", "sense3"]);
}

#[test]
fn a_section_overrides_the_proxy_of_its_name_or_host_in_any_case() {
    for (name, label) in [
        ("Edge", "Edge"),
        ("edge", "edge"),
        ("sense2.company.com", "sense2.company.com"),
        ("SENSE2.Company.com", "SENSE2.Company.com"),
    ] {
        let settings = site(vec![section(name, Some("https://10.0.0.2:5243"), None)]);
        let topology = Topology::new(&settings, Some(&uneven()));
        let edge: Vec<_> = pairs(&topology).into_iter().filter(|pair| !pair.starts_with("Central")).collect();
        assert_eq!(
            edge,
            [format!("{label} 10.0.0.2:5243 /finance"), format!("{label} 10.0.0.2:5243 /sales")],
            "{name}"
        );
        let plan = topology.proxies.iter().find(|plan| plan.name == label).unwrap();
        assert_eq!(plan.found.as_ref().unwrap().host, "sense2.company.com");
        assert_eq!(notes(&topology), [""; 0]);
    }
}

#[test]
fn a_section_may_override_only_the_virtual_proxies() {
    let settings = site(vec![section("Edge", None, Some(&["other", "sales"]))]);
    let topology = Topology::new(&settings, Some(&uneven()));
    assert_eq!(
        pairs(&topology)[2..],
        ["Edge sense2.company.com:4243 /other", "Edge sense2.company.com:4243 /sales"]
    );
    let finance = topology.virtual_proxies.iter().find(|plan| plan.virtual_proxy.path() == "/finance");
    assert_eq!(finance.unwrap().linked, 1, "links are those of the repository");
}

#[test]
fn links_that_are_left_out_are_known_of_each_proxy() {
    let left_out = |settings: &SiteSettings, name: &str| -> Vec<String> {
        let topology = Topology::new(settings, Some(&uneven()));
        let plan = topology.proxies.iter().find(|plan| plan.name == name).unwrap();
        plan.left_out.iter().map(ToString::to_string).collect()
    };
    assert_eq!(left_out(&filtered(None, &["finance"]), "Edge"), ["/finance"]);
    // By a section.
    let mut settings = filtered(None, &["other"]);
    settings.proxies = vec![section("Edge", None, Some(&["other", "sales"]))];
    assert_eq!(left_out(&settings, "Edge"), ["/finance", "/other"]);
    // A section of that name is elsewhere.
    let mut settings = filtered(None, &["finance"]);
    settings.proxies = vec![section("Mine", Some("https://sense2.company.com:4243"), Some(&["sales"]))];
    assert_eq!(left_out(&settings, "Mine"), ["/finance"]);
}

#[test]
fn another_section_adds_a_proxy() {
    let settings = site(vec![
        section("Added", Some("https://sense3:4243"), None),
        section("More", Some("https://sense4:4243"), Some(&["x"])),
    ]);
    let topology = Topology::new(&settings, Some(&uneven()));
    assert_eq!(names(&topology), ["Added", "Central", "Edge", "More"]);
    assert_eq!(pairs(&topology)[0], "Added sense3:4243 /");
    assert_eq!(pairs(&topology)[5], "More sense4:4243 /x");
    assert_eq!(topology.proxies[0].found, None);
}

#[test]
fn a_section_that_matches_nothing_and_has_no_address_is_noted() {
    let settings = site(vec![section("Centrall", None, None)]);
    let topology = Topology::new(&settings, Some(&uneven()));
    assert_eq!(names(&topology), ["Central", "Edge"]);
    assert_eq!(topology.notes, [Note::NothingToOverride("Centrall".into())]);
}

#[test]
fn before_the_first_answer_only_sections_with_an_address_are_queried() {
    let settings = site(vec![
        section("Central", None, None),
        section("Edge", Some("https://10.0.0.2:4243"), None),
        section("Other", Some("https://10.0.0.3:4243"), Some(&["sales"])),
    ]);
    let topology = Topology::new(&settings, None);
    assert_eq!(pairs(&topology), ["Other 10.0.0.3:4243 /sales"]);
    assert_eq!((topology.virtual_proxies, topology.version, topology.notes), (vec![], None, vec![]));
}

#[test]
fn a_name_that_two_proxies_share_overrides_neither() {
    let services = vec![service("Node", "sense1", &[""]), service("Node", "sense2", &[""])];
    let settings = site(vec![section("Node", Some("https://10.0.0.2:4243"), None)]);
    let topology = Topology::new(&settings, Some(&found(services.clone(), &[""])));
    assert_eq!(names(&topology), ["sense1", "sense2"]);
    assert_eq!(topology.notes, [Note::Ambiguous("Node".into())]);
    // By its host one of them is meant, and the other keeps its label.
    let settings = site(vec![section("sense2", Some("https://10.0.0.2:4243"), None)]);
    let topology = Topology::new(&settings, Some(&found(services, &[""])));
    assert_eq!(pairs(&topology), ["sense1 sense1:4243 /", "sense2 10.0.0.2:4243 /"]);
    assert_eq!(topology.notes, []);
}

#[test]
fn the_exact_name_counts_before_its_other_cases_and_a_name_before_a_host() {
    let services = vec![
        service("Node", "sense1", &[""]),
        service("node", "sense2", &[""]),
        service("Third", "Node", &[""]),
    ];
    let settings = site(vec![section("node", Some("https://10.0.0.2:4243"), None)]);
    let topology = Topology::new(&settings, Some(&found(services, &[""])));
    assert_eq!(pairs(&topology), ["Node sense1:4243 /", "Third node:4243 /", "node 10.0.0.2:4243 /"]);
}

#[test]
fn two_sections_about_one_proxy_are_noted() {
    let settings = site(vec![
        section("Edge", Some("https://10.0.0.2:4243"), None),
        section("sense2.company.com", Some("https://10.0.0.3:4243"), None),
    ]);
    let topology = Topology::new(&settings, Some(&uneven()));
    assert_eq!(names(&topology), ["Central", "Edge"]);
    assert_eq!(topology.notes, [Note::OverriddenTwice("Edge".into(), "sense2.company.com".into())]);
}

#[test]
fn no_pair_is_queried_twice_at_one_address() {
    let settings = site(vec![section("Mine", Some("https://sense2.company.com:4243"), Some(&["sales"]))]);
    let topology = Topology::new(&settings, Some(&uneven()));
    assert_eq!(
        pairs(&topology)[2..],
        ["Edge sense2.company.com:4243 /finance", "Mine sense2.company.com:4243 /sales"]
    );
    let same = Note::SameAddress { first: "Mine".into(), second: "Edge".into() };
    assert_eq!(topology.notes, std::slice::from_ref(&same));
    // Nothing is left of the proxy that was found.
    let settings =
        site(vec![section("Mine", Some("https://sense2.company.com:4243"), Some(&["sales", "finance"]))]);
    let topology = Topology::new(&settings, Some(&uneven()));
    assert_eq!((names(&topology), &topology.notes), (vec!["Central", "Mine"], &vec![same]));
}

#[test]
fn a_prefix_listed_twice_is_one_virtual_proxy() {
    let mut twice = uneven();
    twice.virtual_proxies.push(VirtualProxyFacts { id: "second".into(), ..facts("sales") });
    twice.proxy_services[0].links.push(Link { id: "second".into(), virtual_proxy: parsed("sales") });
    let topology = Topology::new(&site(vec![]), Some(&twice));
    assert_eq!(pairs(&topology).len(), 4);
    let sales: Vec<_> =
        topology.virtual_proxies.iter().filter(|plan| plan.virtual_proxy.path() == "/sales").collect();
    assert_eq!((sales.len(), sales[0].linked), (1, 2));
}

#[test]
fn a_proxy_without_a_usable_host_is_noted_and_the_others_are_queried() {
    for host in ["", "a b", "sense1/x", "user@sense1", "sense1:1", "sense1?x", "sense1#x", "::1%eth0"] {
        let services = vec![service("Bad", host, &[""]), service("Good", "sense1", &[""])];
        let topology = Topology::new(&site(vec![]), Some(&found(services, &[""])));
        assert_eq!(names(&topology), ["Good"], "{host:?}");
        assert_eq!(topology.notes, [Note::NoHost { name: "Bad".into(), host: host.into() }]);
    }
    let services = vec![service("Six", "fe80::1", &[""]), service("Umlaut", "bücher.example", &[""])];
    let topology = Topology::new(&site(vec![]), Some(&found(services, &[""])));
    assert_eq!(pairs(&topology), ["Six fe80::1:4243 /", "Umlaut xn--bcher-kva.example:4243 /"]);
    // An address of one's own makes up for it.
    let settings = site(vec![section("Bad", Some("https://10.0.0.2:4243"), None)]);
    let topology = Topology::new(&settings, Some(&found(vec![service("Bad", "", &[""])], &[""])));
    assert_eq!(pairs(&topology), ["Bad 10.0.0.2:4243 /"]);
}

#[test]
fn what_the_repository_client_skipped_is_noted() {
    let mut skipping = uneven();
    skipping.skipped = vec![Skipped { prefix: "a b".into(), problem: PrefixError::Character(' ') }];
    let topology = Topology::new(&site(vec![]), Some(&skipping));
    assert_eq!(pairs(&topology).len(), 4);
    assert!(notes(&topology)[0].starts_with("the virtual proxy with the prefix \"a b\" cannot be queried"));
}

#[test]
fn without_a_repository_the_sections_are_all_there_is() {
    let proxies = vec![
        section("Central", Some("https://sense1:4243"), None),
        section("Edge", Some("https://sense2"), Some(&["sales", "/", "sales"])),
    ];
    let settings = SiteSettings { repository: None, ..site(proxies) };
    let topology = Topology::new(&settings, None);
    assert_eq!(pairs(&topology), ["Central sense1:4243 /", "Edge sense2:443 /", "Edge sense2:443 /sales"]);
}

#[test]
fn a_big_site_is_no_strain() {
    let prefixes: Vec<String> = (0..200).map(|number| format!("vp{number:03}")).collect();
    let prefixes: Vec<&str> = prefixes.iter().map(|prefix| &**prefix).collect();
    let services = (0..20).map(|node| service(&format!("Node{node}"), &format!("sense{node}"), &prefixes));
    let topology = Topology::new(&site(vec![]), Some(&found(services.collect(), &prefixes)));
    assert_eq!(pairs(&topology).len(), 4000);
    assert!(topology.virtual_proxies.iter().all(|plan| plan.linked == 20));
}

#[test]
fn an_ipv6_address_is_a_host_without_brackets() {
    let topology =
        Topology::new(&site(vec![]), Some(&found(vec![service("Central", "fd00::1", &[""])], &[""])));
    assert_eq!(topology.proxies[0].host, "fd00::1");
    assert_eq!(topology.proxies[0].address(), "[fd00::1]:4243");
}

#[test]
fn proxy_services_without_pairs_are_noted_with_the_likely_reason() {
    let unlinked = found(vec![service("Idle", "sense9", &[])], &["sales"]);
    let unlinked = notes(&Topology::new(&site(vec![]), Some(&unlinked)));
    assert!(unlinked[0].contains("links a virtual proxy that is to be queried"), "{unlinked:?}");
    assert_eq!(unlinked.len(), 1);
    assert_eq!(notes(&Topology::new(&site(vec![]), None)), [""; 0]);
}

#[test]
fn before_the_first_answer_only_named_pairs_are_queried() {
    let sections = vec![
        section("Central", Some("https://sense1:4243"), None),
        section("Edge", Some("https://sense2:4243"), Some(&["sales"])),
    ];
    let site = site(sections);
    assert_eq!(pairs(&Topology::new(&site, None)), ["Edge sense2:4243 /sales"]);
    let alone = SiteSettings { repository: None, ..site };
    let topology = Topology::new(&alone, None);
    assert_eq!(pairs(&topology), ["Central sense1:4243 /", "Edge sense2:4243 /sales"]);
}
