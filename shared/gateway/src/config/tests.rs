//! Variables, good and bad.

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
