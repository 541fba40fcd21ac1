//! Variables, good and bad.

use std::collections::BTreeMap;

use cluster_client::{EnvironmentRules, PodSecurity};

use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Config, String> {
    let map: BTreeMap<&str, &str> = pairs.iter().copied().collect();
    Config::read(|name| map.get(name).map(|value| (*value).to_owned())).map_err(|error| error.to_string())
}

#[test]
fn an_installation_is_enough_and_the_rest_has_defaults() {
    let config = read(&[("LAYBY_INSTALLATION", "dev")]).unwrap();
    assert_eq!((config.table.as_str(), config.launches), ("layby", Launches::Open));
    assert!(config.cells.is_empty());
}

#[test]
fn what_is_wrong_is_named() {
    assert!(read(&[]).err().unwrap().starts_with("LAYBY_INSTALLATION: is missing"));
    let base = ("LAYBY_INSTALLATION", "dev");
    assert!(
        read(&[base, ("LAYBY_LAUNCHES", "maybe")])
            .err()
            .unwrap()
            .contains("'maybe'")
    );
    assert!(
        read(&[base, ("LAYBY_ADMIN_KEY_SHA256", "abc")])
            .err()
            .unwrap()
            .contains("64 hexadecimal")
    );
    assert!(
        read(&[base, ("LAYBY_CELLS", "[{}]")])
            .err()
            .unwrap()
            .contains("missing field `name`")
    );
}

#[test]
fn limits_are_whole_numbers_and_absent_ones_limit_nothing() {
    let base = ("LAYBY_INSTALLATION", "dev");
    assert_eq!(read(&[base]).unwrap().quotas(), Quotas::default());
    let cells = r#"[{"name":"home","api":"a","token":"none","proxy_api":"p","public_host":"h","starts":4}]"#;
    let quotas = read(&[base, ("LAYBY_QUOTA", "200"), ("LAYBY_CELLS", cells)])
        .unwrap()
        .quotas();
    let starts = Some(4);
    let home = CellQuota { capacity: None, starts };
    assert_eq!((quotas.all, quotas.cells.into_values().next()), (Some(200), Some(home)));
    for bad in ["-1", "1.5", "many"] {
        let said = read(&[base, ("LAYBY_QUOTA", bad)]).err().unwrap();
        assert_eq!(said, format!("LAYBY_QUOTA: '{bad}' is no whole number"));
    }
    let other = |limit: &str| read(&[base, ("LAYBY_CELLS", &cells.replace("4", limit))]);
    let starts = |limit: &str| other(limit).unwrap().cells[0].starts;
    assert_eq!((starts("\"7\""), starts("\"\"")), (Some(7), None));
    for bad in ["-4", "1.5", "\"many\""] {
        assert!(other(bad).err().unwrap().contains("whole number"), "{bad}");
    }
}

#[test]
fn a_wrong_secret_is_never_repeated() {
    let error = read(&[
        ("LAYBY_INSTALLATION", "dev"),
        ("LAYBY_SECRETS", "{\"keyring\":[\"hunter2\"]}"),
    ])
    .err()
    .unwrap();
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_public_host_may_have_the_id_as_its_first_label_and_nowhere_else() {
    let cells = |host: &str| {
        let cells = r#"[{"name":"home","api":"a","token":"none","proxy_api":"p","public_host":"HOST"}]"#;
        read(&[
            ("LAYBY_INSTALLATION", "dev"),
            ("LAYBY_CELLS", &cells.replace("HOST", host)),
        ])
    };
    assert!(cells("{id}.apps.example.org").is_ok() && cells("apps.example.org:8443").is_ok());
    for bad in ["apps.{id}.org", "{id}.{id}.org", "{id}", "x{id}.org"] {
        let said = cells(bad).err().unwrap();
        assert!(
            said.starts_with("LAYBY_CELLS: cell 'home': ") && said.contains("as the whole first label"),
            "{said}"
        );
    }
}

#[test]
fn a_registry_is_a_whole_url_without_anything_secret_in_it() {
    let registry = |url: &str| read(&[("LAYBY_INSTALLATION", "dev"), ("LAYBY_REGISTRY_URL", url)]);
    for good in ["http://registry:8082", "https://registry.example.org/binder/"] {
        assert_eq!(registry(good).unwrap().registry_url.unwrap(), good);
    }
    assert!(registry("").unwrap().registry_url.is_none());
    for bad in [
        "registry:8082",
        "ftp://registry",
        "https://me:hunter2@registry",
        "https://registry?key=hunter2",
        "/x",
    ] {
        let said = registry(bad).err().unwrap();
        assert!(
            said.starts_with("LAYBY_REGISTRY_URL: ") && !said.contains("hunter2"),
            "{said}"
        );
    }
}

#[test]
fn a_token_comes_from_a_secret_from_eks_or_from_nowhere() {
    let read = |text: &str| TokenKind::try_from(text.to_owned());
    assert_eq!(read("eks:home"), Ok(TokenKind::Eks("home".into())));
    assert_eq!(read("secret"), Ok(TokenKind::Secret));
    assert!(read("eks:").is_err() && read("plain").is_err());
}

#[test]
fn what_k8s_claimer_was_told_is_understood_with_its_prefix_first() {
    let base = ("LAYBY_INSTALLATION", "dev");
    let leases = |pairs: &[(&str, &str)]| {
        let pairs: Vec<(&str, &str)> = [base].into_iter().chain(pairs.iter().copied()).collect();
        read(&pairs).map(|config| (config.leases.key_sha256, config.leases.cleans))
    };
    let of = |key: &str| Some(crate::key_sha256(key));
    assert_eq!(leases(&[]), Ok((None, true)));
    assert_eq!(leases(&[("AUTH_TOKEN", "bare")]), Ok((of("bare"), true)));
    let both = [("AUTH_TOKEN", "bare"), ("K8S-CLAIMER_AUTH_TOKEN", "prefixed")];
    assert_eq!(leases(&both), Ok((of("prefixed"), true)));
    assert_eq!(
        leases(&[("AUTH_TOKEN", " ")]),
        Ok((None, true)),
        "an empty one lets nobody in"
    );
    let newer = ["0".repeat(64), "bare".to_owned()];
    let newer = [
        ("LAYBY_LEASES_KEY_SHA256", newer[0].as_str()),
        ("AUTH_TOKEN", newer[1].as_str()),
    ];
    assert_eq!(leases(&newer), Ok((Some("0".repeat(64)), true)));
    for (text, cleans) in [
        ("false", false),
        ("0", false),
        ("F", false),
        ("true", true),
        ("1", true),
    ] {
        assert_eq!(leases(&[("CLEAR_NAMESPACES", text)]), Ok((None, cleans)), "{text}");
        assert_eq!(
            leases(&[("K8S-CLAIMER_CLEAR_NAMESPACES", text)]),
            Ok((None, cleans)),
            "{text}"
        );
    }
    let both = [("CLEAR_NAMESPACES", "true"), ("K8S-CLAIMER_CLEAR_NAMESPACES", "false")];
    assert_eq!(leases(&both), Ok((None, false)));
    let wrong = leases(&[("CLEAR_NAMESPACES", "perhaps")]).unwrap_err();
    assert!(
        wrong.contains("CLEAR_NAMESPACES") && wrong.contains("'perhaps'"),
        "{wrong}"
    );
}

fn environments(pairs: &[(&str, &str)]) -> Result<Config, String> {
    let mut all = vec![("LAYBY_INSTALLATION", "dev")];
    all.extend(pairs);
    read(&all)
}

#[test]
fn without_a_word_environments_are_in_production_and_nobody_vouches() {
    let config = environments(&[]).unwrap();
    let own = &config.environments;
    assert_eq!(own.state, DeployState::Production);
    assert_eq!(own.deployments, DeploymentRules::default());
    assert_eq!(own.namespaces, EnvironmentRules::default());
    assert!(!own.asks_nobody());
    assert!(own.issuer.is_none() && own.roles_url.is_none() && own.kvm_url.is_none());
    assert_eq!(
        (&own.fetch, &config.outside),
        (&FetchConfig::default(), &OutsideConfig::default())
    );
    for state in ["DEV", "DEV_CONTAINER"] {
        let own = environments(&[("DEPLOY_STATE", state)]).unwrap().environments;
        assert_eq!((own.state, own.asks_nobody()), (DeployState::Development, false));
    }
    let production = environments(&[("DEPLOY_STATE", "PROD")]).unwrap();
    assert_eq!(production.environments.state, DeployState::Production);
}

#[test]
fn variables_of_the_older_service_are_read_as_it_read_them() {
    let own = |pairs: &[(&str, &str)]| environments(pairs).map(|config| config.environments);
    let switched = own(&[("ALLOW_PRIV_CONTAINERS", "true"), ("ISOLATE_NAMESPACE", "true")]).unwrap();
    assert!(switched.deployments.allow_privileged);
    assert_eq!(switched.namespaces.enforce, PodSecurity::Privileged);
    assert_eq!(switched.namespaces.isolated_but_from, Some(Vec::new()));
    let own_of = own(&[
        ("LAYBY_ENVIRONMENTS_ENFORCE", "restricted"),
        ("LAYBY_ENVIRONMENTS_WARN", "baseline"),
        ("ISOLATE_NAMESPACE", "true"),
        ("LAYBY_ROUTER_NAMESPACES", "edge, edge-private"),
    ]);
    let namespaces = own_of.unwrap().namespaces;
    assert_eq!(
        (namespaces.enforce, namespaces.warn),
        (PodSecurity::Restricted, PodSecurity::Baseline)
    );
    let routers: Vec<String> = namespaces
        .isolated_but_from
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(routers, ["edge", "edge-private"]);
    for wrong in [
        ("LAYBY_ENVIRONMENTS_ENFORCE", "none"),
        ("LAYBY_ROUTER_NAMESPACES", "Edge"),
    ] {
        assert!(own(&[wrong]).is_err(), "{wrong:?}");
    }
    let roles = |text: &str| own(&[("AUTH_API_HOST", text)]).map(|own| own.roles_url.unwrap().to_string());
    assert_eq!(roles("auth.example").unwrap(), "https://auth.example/");
    assert_eq!(roles("auth.example:8443").unwrap(), "https://auth.example:8443/");
    assert_eq!(roles("http://127.0.0.1:1/").unwrap(), "http://127.0.0.1:1/");
    let kvm = |pairs: &[(&str, &str)]| own(pairs).unwrap().kvm_url.map(|url| url.to_string());
    assert_eq!(
        kvm(&[("APIGEE_KVM", "true")]).unwrap(),
        "https://api.enterprise.apigee.com/"
    );
    let both = [("APIGEE_KVM", "true"), ("AUTH_API_HOST", "auth.example")];
    assert_eq!(kvm(&both).unwrap(), "https://auth.example/");
    assert_eq!(kvm(&[("APIGEE_KVM", "false"), both[1]]), None);
    let router = own(&[
        ("SHIPYARD_HOST", "Shipyard.example"),
        ("INTERNAL_ROUTER_HOST", "router.local:8080"),
        ("SHIPYARD_PRIVATE_SECRET", "s"),
    ]);
    let router = router.unwrap().fetch.router.unwrap();
    assert_eq!(router.host, "shipyard.example");
    assert_eq!(router.internal, "http://router.local:8080/");
    assert_eq!(
        (router.header.as_str(), router.secret.as_deref()),
        ("x-routing-api-key", Some("s"))
    );
}

#[test]
fn an_issuer_has_an_audience_and_hosts_are_hosts() {
    let issuer = ("LAYBY_OIDC_ISSUER", "https://issuer.example/realm");
    let audience = ("LAYBY_OIDC_AUDIENCE", "layby");
    let config = environments(&[issuer, audience]).unwrap();
    let expected = IssuerConfig {
        url: issuer.1.to_owned(),
        audience: audience.1.to_owned(),
        claim: "organisations".to_owned(),
        jwks_url: None,
    };
    assert_eq!(config.environments.issuer, Some(expected));
    let config = environments(&[
        ("LAYBY_FETCH_HOSTS", "A.example, b.example:8443,c.example:443,"),
        ("LAYBY_OUTSIDE_PINS", "A.example=10.0.0.7, b.example = fd00::7"),
    ])
    .unwrap();
    let hosts: Vec<&str> = config.environments.fetch.hosts.iter().map(String::as_str).collect();
    assert_eq!(hosts, ["a.example", "b.example:8443", "c.example"]);
    let pins: Vec<String> = config
        .outside
        .pins
        .iter()
        .map(|(host, at)| format!("{host} {at}"))
        .collect();
    assert_eq!(pins, ["a.example 10.0.0.7", "b.example fd00::7"]);
    for (name, text, said) in [
        ("LAYBY_OIDC_ISSUER", "issuer.example", "is not an http or https URL"),
        ("LAYBY_OIDC_ISSUER", issuer.1, "LAYBY_OIDC_AUDIENCE: is missing"),
        (
            "LAYBY_FETCH_HOSTS",
            "a.example,https://b.example",
            "'https://b.example' is no host",
        ),
        ("LAYBY_FETCH_HOSTS", "a.example/path", "is no host"),
        ("LAYBY_FETCH_HOSTS", "user@a.example", "is no host"),
        ("LAYBY_OUTSIDE_PINS", "a.example", "'a.example' is no pin"),
        ("LAYBY_OUTSIDE_PINS", "a.example=b.example", "is no pin"),
        ("LAYBY_OUTSIDE_PINS", "a.example:8443=10.0.0.7", "is no pin"),
        (
            "DEPLOY_STATE",
            "dev",
            "'dev' is none of 'PROD', 'DEV' and 'DEV_CONTAINER'",
        ),
        ("ALLOW_PRIV_CONTAINERS", "perhaps", "neither 'true' nor 'false'"),
        (
            "AUTH_API_HOST",
            "https://a.example/?b",
            "neither a host nor an http or https URL",
        ),
        (
            "SHIPYARD_HOST",
            "a.example",
            "INTERNAL_ROUTER_HOST: is missing beside SHIPYARD_HOST",
        ),
        (
            "INTERNAL_ROUTER_HOST",
            "a.example",
            "SHIPYARD_HOST: is missing beside INTERNAL_ROUTER_HOST",
        ),
    ] {
        let error = environments(&[(name, text)]).err().unwrap();
        assert!(error.contains(said), "{name}={text}: {error}");
    }
}
