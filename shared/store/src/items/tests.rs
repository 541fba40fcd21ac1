//! What rows look like, what they cost and that they read back.

use domain::{ApplicationId, Cell, CellName, Outcome, Reason, TemplateName};

use super::*;
use crate::schema::TABLE;

fn look() -> Look {
    Look {
        now: "2026-11-21T10:00:00.5Z".parse().unwrap(),
        by: "request/1".to_owned(),
    }
}

fn template() -> Template {
    serde_json::from_value(serde_json::json!({
        "name": "t", "image-source": "i", "run-as-user": "image", "cull-timeout": 604_800_000, "quota": 3,
        "limits": {"memory": "512Mi"}, "env": {"A": "b"}, "security": "baseline",
        "tolerations": [{"key": "k"}],
    }))
    .unwrap()
}

fn application() -> Application {
    let cell = Cell {
        name: CellName::parse("home").unwrap(),
        public_host: "apps.example".to_owned(),
    };
    Application::launch(
        ApplicationId::from_bytes([7; 16]),
        &template(),
        &cell,
        None,
        None,
        look().now,
    )
}

fn ready_spare() -> Application {
    Application {
        state: State::Running {
            namespace_uid: "u".to_owned(),
            deployed_at: look().now,
        },
        spare: true,
        ..application()
    }
}

fn due() -> Standing {
    Standing::Due {
        at: look().now,
        since: look().now,
        attempt: 0,
    }
}

fn text<'a>(item: &'a Item, attribute: &str) -> &'a str {
    item[attribute].as_s().unwrap()
}

#[test]
fn every_attribute_of_the_definition_is_one_that_applications_have() {
    let live = encode(&ApplicationItem::new(&application(), due(), 1, &look())).unwrap();
    let past = encode(&ApplicationItem::new(&application(), Standing::Past, 2, &look())).unwrap();
    let spare = encode(&ApplicationItem::new(&ready_spare(), due(), 1, &look())).unwrap();
    let held = encode(&ApplicationItem::new(
        &application().held(look().now),
        due(),
        1,
        &look(),
    ))
    .unwrap();
    for key in [TABLE.partition_key, TABLE.sort_key] {
        assert!(live[key].is_s());
    }
    for index in TABLE.indexes {
        let is_in = |item: &&Item| item.contains_key(index.partition_key) && item.contains_key(index.sort_key);
        let inside: Vec<&Item> = [&live, &spare, &held].into_iter().filter(is_in).collect();
        // An offer is what a pool of clusters lists.
        for attribute in index.projected.iter().filter(|attribute| **attribute != "offer") {
            assert!(
                inside.iter().any(|item| item.contains_key(*attribute)),
                "{}: {attribute}",
                index.name
            );
        }
    }
    assert!(past[TABLE.time_to_live].is_n() && !live.contains_key(TABLE.time_to_live));
    assert!(!past.keys().any(|attribute| attribute.starts_with("due_")));
    assert_eq!((text(&live, "state"), text(&live, "status")), ("pending", "pending"));
    assert_eq!(text(&live, "list_part"), "APP#t#live");
    assert_eq!(text(&past, "list_part"), "APP#t#past");
    assert_eq!(text(&past, "day_part"), "APP#2026-11-21#00");
    assert_eq!(text(&live, "due_part"), "DUE#app@home#07");
}

#[test]
fn a_spare_is_listed_beside_its_like_alone_and_picked_while_it_is_ready() {
    let ready = encode(&ApplicationItem::new(&ready_spare(), due(), 1, &look())).unwrap();
    let revision = keys::revision(&template().workload);
    assert_eq!(text(&ready, "list_part"), "SPARE#t");
    assert_eq!(text(&ready, "pick_part"), format!("SPARE#home#t#{revision}"));
    assert_eq!(text(&ready, "pick_key"), ready_spare().id.as_str());
    assert!(!ready.contains_key("day_part") && ready["spare"].is_bool());

    let tombstone = ready_spare().entombed(Outcome::Deleted, Reason::SpareNotNeeded, look().now);
    let ending = encode(&ApplicationItem::new(&tombstone, due(), 1, &look())).unwrap();
    assert_eq!(text(&ending, "list_part"), "SPARE#t");
    assert!(!ending.contains_key("pick_part"));
    let ended = encode(&ApplicationItem::new(&tombstone, Standing::Past, 1, &look())).unwrap();
    let places = ["list_part", "day_part", "pick_part", "due_part"];
    assert!(!places.iter().any(|part| ended.contains_key(*part)));

    let claimed = ready_spare().claimed(&template(), None, None, look().now).unwrap();
    let claimed = encode(&ApplicationItem::new(&claimed, due(), 1, &look())).unwrap();
    assert_eq!(text(&claimed, "list_part"), "APP#t#live");
    assert!(claimed.contains_key("day_part") && !claimed.contains_key("pick_part") && !claimed.contains_key("spare"));
}

#[test]
fn rows_read_back_as_they_were_written() {
    let since = "2026-11-21T09:00:00.123Z".parse().unwrap();
    let standing = Standing::Due {
        at: look().now,
        since,
        attempt: 2,
    };
    let item = encode(&ApplicationItem::new(&application(), standing, u64::MAX, &look())).unwrap();
    let row = decode::<ApplicationItem>(item).unwrap().into_row();
    assert_eq!(
        row,
        Row {
            value: application(),
            version: u64::MAX,
            due_at: Some(look().now),
            due_since: Some(since),
            attempt: 2,
            by: look().by,
        }
    );
    let item = encode(&TemplateItem::new(template(), look().now, 1, &look())).unwrap();
    assert_eq!(decode::<TemplateItem>(item).unwrap().template, template());
}

#[test]
fn a_row_of_another_form_is_corrupt_and_not_absent() {
    let mut item = encode(&ApplicationItem::new(&application(), Standing::Past, 1, &look())).unwrap();
    item.insert("state".to_owned(), AttributeValue::S("unheard-of".to_owned()));
    assert!(matches!(decode::<ApplicationItem>(item), Err(Error::Corrupt(_))));
}

/// What DynamoDB counts of an attribute's value.
fn size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len() / 2 + 1,
        AttributeValue::M(map) => {
            3 + map
                .iter()
                .map(|(name, value)| 1 + name.len() + size(value))
                .sum::<usize>()
        }
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + size(value)).sum::<usize>(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_launch_of_an_ordinary_template_costs_one_write_unit() {
    let application = Application {
        template: TemplateName::parse("binder-project-example-requirements").unwrap(),
        location: Some(format!("apps.example.org/user/{}", "0".repeat(32))),
        ..application()
    };
    let standing = Standing::Due {
        at: look().now,
        since: look().now,
        attempt: 0,
    };
    let item = encode(&ApplicationItem::new(&application, standing, 1, &look())).unwrap();
    let bytes: usize = item.iter().map(|(name, value)| name.len() + size(value)).sum();
    assert!((512..=1024).contains(&bytes), "{bytes} bytes");
}
