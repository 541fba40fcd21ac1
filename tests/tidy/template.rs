//! The deployment's descriptions, read as YAML: the table is the store's, roles are narrow, stages are complete.

use api::ENDPOINTS;
use gateway::Config;
use saphyr::{LoadableYamlNode, Yaml};
use store::schema;

use crate::workspace::{files, has_extension, read};

const TEMPLATE: &str = "infra/template.yaml";
/// Settings that not every function is told: for one machine alone, in the secret, or where there is need of it.
const NOT_GLOBAL: [&str; 7] = [
    "LAYBY_DYNAMODB_URL",
    "LAYBY_SECRETS",
    "LAYBY_SECRETS_ARN",
    "AUTH_TOKEN",
    "K8S-CLAIMER_AUTH_TOKEN",
    "K8S-CLAIMER_CLEAR_NAMESPACES",
    "SHIPYARD_PRIVATE_SECRET",
];

fn parse(text: &str) -> Vec<Yaml<'_>> {
    Yaml::load_from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// What lies at `path` below a mapping, through CloudFormation's tags.
fn at<'a, 'input>(yaml: &'a Yaml<'input>, path: &[&str]) -> &'a Yaml<'input> {
    path.iter().fold(yaml, |node, key| {
        let node = node.get_tagged_node().unwrap_or(node);
        node.as_mapping_get(key)
            .unwrap_or_else(|| panic!("no {key} of {path:?}"))
    })
}

fn text<'a>(yaml: &'a Yaml<'_>) -> &'a str {
    yaml.get_tagged_node()
        .unwrap_or(yaml)
        .as_str()
        .unwrap_or_else(|| panic!("{yaml:?} is not a text"))
}

fn list<'a, 'input>(yaml: &'a Yaml<'input>) -> &'a [Yaml<'input>] {
    yaml.as_vec().unwrap_or_else(|| panic!("{yaml:?} is not a list"))
}

fn keys(of: &Yaml<'_>) -> Vec<(String, String)> {
    let key = |key: &Yaml<'_>| {
        (
            text(at(key, &["AttributeName"])).to_owned(),
            text(at(key, &["KeyType"])).to_owned(),
        )
    };
    list(at(of, &["KeySchema"])).iter().map(key).collect()
}

fn key_schema(partition: &str, sort: &str) -> Vec<(String, String)> {
    vec![
        (partition.to_owned(), "HASH".to_owned()),
        (sort.to_owned(), "RANGE".to_owned()),
    ]
}

#[test]
fn the_template_makes_the_table_that_the_store_expects() {
    let source = read(TEMPLATE);
    let document = parse(&source).remove(0);
    let table = at(&document, &["Resources", "Table"]);
    let properties = at(table, &["Properties"]);
    for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
        assert_eq!(text(at(table, &[policy])), "Retain");
    }
    assert_eq!(
        keys(properties),
        key_schema(schema::TABLE.partition_key, schema::TABLE.sort_key)
    );
    let forgets = at(properties, &["TimeToLiveSpecification"]);
    assert_eq!(text(at(forgets, &["AttributeName"])), schema::TABLE.time_to_live);
    assert_eq!(at(forgets, &["Enabled"]).as_bool(), Some(true));

    let indexes = list(at(properties, &["GlobalSecondaryIndexes"]));
    assert_eq!(indexes.len(), schema::TABLE.indexes.len());
    for (index, wanted) in indexes.iter().zip(schema::TABLE.indexes) {
        assert_eq!(text(at(index, &["IndexName"])), wanted.name);
        assert_eq!(keys(index), key_schema(wanted.partition_key, wanted.sort_key));
        assert_eq!(text(at(index, &["Projection", "ProjectionType"])), "INCLUDE");
        let projected: Vec<&str> = list(at(index, &["Projection", "NonKeyAttributes"]))
            .iter()
            .map(text)
            .collect();
        assert_eq!(projected, wanted.projected);
    }

    let mut wanted = vec![schema::TABLE.partition_key, schema::TABLE.sort_key];
    wanted.extend(
        schema::TABLE
            .indexes
            .iter()
            .flat_map(|index| [index.partition_key, index.sort_key]),
    );
    let attributes = list(at(properties, &["AttributeDefinitions"]));
    let found: Vec<&str> = attributes
        .iter()
        .map(|attribute| text(at(attribute, &["AttributeName"])))
        .collect();
    assert_eq!(found, wanted);
    assert!(
        attributes
            .iter()
            .all(|attribute| text(at(attribute, &["AttributeType"])) == "S")
    );
}

#[test]
fn no_role_goes_beyond_the_table_the_secret_and_its_log() {
    let source = read(TEMPLATE);
    let document = parse(&source).remove(0);
    let resources = at(&document, &["Resources"])
        .as_mapping()
        .expect("resources are a mapping");
    let is_role = |resource: &&Yaml<'_>| text(at(resource, &["Type"])) == "AWS::IAM::Role";
    let roles: Vec<&Yaml<'_>> = resources.iter().map(|(_, resource)| resource).filter(is_role).collect();
    assert_eq!(roles.len(), ENDPOINTS.len());
    for (role, endpoint) in roles.into_iter().zip(ENDPOINTS) {
        let policies = list(at(role, &["Properties", "Policies"]));
        assert_eq!(policies.len(), 1);
        let mut reads_secrets = false;
        for statement in list(at(&policies[0], &["PolicyDocument", "Statement"])) {
            let (sid, resource) = (text(at(statement, &["Sid"])), text(at(statement, &["Resource"])));
            assert!(!resource.contains('*'), "{}: {sid}", endpoint.id);
            match resource {
                "SecretArn" => reads_secrets = true,
                _ if resource.contains("Table") => {
                    let leading = at(
                        statement,
                        &["Condition", "ForAllValues:StringLike", "dynamodb:LeadingKeys"],
                    );
                    assert!(
                        list(leading).iter().all(|pattern| text(pattern).len() > 1),
                        "{}: {sid}",
                        endpoint.id
                    );
                }
                _ => assert_eq!(sid, "Logs", "{}", endpoint.id),
            }
        }
        assert_eq!(reads_secrets, !endpoint.needs.secrets.is_empty(), "{}", endpoint.id);
    }
}

#[test]
fn every_setting_can_be_deployed_and_every_parameter_is_explained() {
    let source = read(TEMPLATE);
    let document = parse(&source).remove(0);
    let told = at(&document, &["Globals", "Function", "Environment", "Variables"]);
    for name in Config::VARIABLES {
        let is_told = told.as_mapping_get(name).is_some();
        assert_ne!(is_told, NOT_GLOBAL.contains(&name), "{name}");
    }
    let groups = at(
        &document,
        &["Metadata", "AWS::CloudFormation::Interface", "ParameterGroups"],
    );
    let mut grouped: Vec<&str> = list(groups)
        .iter()
        .flat_map(|group| list(at(group, &["Parameters"])))
        .map(text)
        .collect();
    let parameters = at(&document, &["Parameters"])
        .as_mapping()
        .expect("parameters are a mapping");
    let mut own: Vec<&str> = parameters.iter().map(|(name, _)| text(name)).collect();
    grouped.sort_unstable();
    own.sort_unstable();
    assert_eq!(grouped, own, "each is in one group");
    let explained = read("infra/README.md");
    for name in own {
        assert!(
            explained.contains(&format!("`{name}`")),
            "infra/README.md does not explain {name}"
        );
    }
}

#[test]
fn every_stage_gives_each_parameter_that_has_no_default_and_none_that_does_not_exist() {
    let source = read(TEMPLATE);
    let document = parse(&source).remove(0);
    let parameters = at(&document, &["Parameters"])
        .as_mapping()
        .expect("parameters are a mapping");
    let stages = read("samconfig.toml");
    let stages: Vec<&str> = stages.split(".deploy.parameters]").skip(1).collect();
    assert_eq!(stages.len(), 3, "dev, staging and prod");
    for stage in stages {
        let given: Vec<&str> = stage
            .lines()
            .filter_map(|line| line.trim().strip_prefix('"')?.split_once('='))
            .map(|(name, _)| name)
            .collect();
        for (name, parameter) in parameters {
            let has_default = parameter.as_mapping_get("Default").is_some();
            assert!(
                has_default || given.contains(&text(name)),
                "{name:?} is missing in {given:?}"
            );
        }
        let exists = |name: &str| parameters.iter().any(|(own, _)| text(own) == name);
        assert!(given.iter().all(|name| exists(name)), "{given:?}");
    }
}

#[test]
fn manifests_are_objects_with_a_name_in_a_file_that_the_kustomization_lists() {
    let listed = read("infra/cluster/kustomization.yaml");
    for path in files(|path| path.starts_with("infra/cluster") && has_extension(path, "yaml")) {
        let name = path
            .file_name()
            .expect("a file has a name")
            .to_string_lossy()
            .into_owned();
        if name == "kustomization.yaml" {
            continue;
        }
        assert!(
            listed.contains(&format!("  - {name}\n")),
            "the kustomization does not list {name}"
        );
        let source = read(&path);
        for document in parse(&source) {
            for key in [["apiVersion"].as_slice(), &["kind"], &["metadata", "name"]] {
                assert!(!text(at(&document, key)).is_empty(), "{name}");
            }
        }
    }
}
