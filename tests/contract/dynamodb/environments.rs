//! Environments, and who has which host name.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::{
    CellName, Environment, EnvironmentAsk, EnvironmentChange, EnvironmentEnd, EnvironmentName, Generation, HostName,
    HostNames, Lane, Lifetime, OrganisationName, Subject,
};
use futures::future::join_all;
use net::Fault;
use store::{Binding, EnvironmentWritten, NextDue, Organisations, Row, WriteError};

use crate::support::*;

checks! {
    ap09_an_environment_is_written_listed_and_remembered_when_it_has_ended
    ap09_a_host_name_has_one_owner_and_is_free_when_that_has_ended
    ap09_a_change_claims_and_frees_the_difference_alone
    ap09_of_sixty_four_who_claim_one_host_name_one_gets_it
    ap09_an_environment_with_all_the_host_names_that_it_may_have_changes_them_all
    ap09_two_names_of_one_namespace_are_one_row
    ap16_environments_are_listed_by_organisation_or_all_together
    ap06_an_environment_is_due_in_the_lane_of_its_cell
    ap15_a_key_binds_with_the_environment_that_it_makes
    w1_sixty_four_who_change_one_environment_are_one
    w2_an_environment_whose_write_lost_its_answer_is_written_once
}

fn environment(name: &str, hosts: &[&str]) -> Environment {
    let ask = EnvironmentAsk {
        name: EnvironmentName::parse(name).unwrap(),
        hosts: these(hosts),
        lifetime: Lifetime::Forever,
        protect: false,
        asleep: false,
    };
    Environment::new(ask, CellName::parse("home").unwrap(), "sealed".to_owned(), None, now())
}

fn these(hosts: &[&str]) -> HostNames {
    HostNames::read(&hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

fn with_hosts(row: &Row<Environment>, hosts: &[&str]) -> Environment {
    row.value.changed(&EnvironmentChange {
        hosts: Some(these(hosts)),
        ..EnvironmentChange::default()
    })
}

async fn put(
    table: &Table,
    old: Option<&Row<Environment>>,
    next: &Environment,
    by: &str,
) -> Result<EnvironmentWritten, WriteError> {
    let due = next.is_live().then(|| NextDue {
        at: after(60),
        attempt: 0,
    });
    table
        .store
        .put_environment(old, next, due, None, &look(now(), by))
        .await
}

fn written(written: Result<EnvironmentWritten, WriteError>) -> Row<Environment> {
    match written.unwrap() {
        EnvironmentWritten::Written(row) => row,
        other => panic!("{other:?}"),
    }
}

async fn owners(table: &Table, hosts: &[&str]) -> Vec<(String, String)> {
    let hosts: Vec<HostName> = hosts.iter().map(|name| host(name)).collect();
    let owners = table.store.host_owners(&hosts).await.unwrap();
    owners
        .into_iter()
        .map(|(host, owner)| (host.to_string(), owner.to_string()))
        .collect()
}

async fn names(table: &Table, of: &Organisations) -> Vec<String> {
    let page = table.store.environments(of, 10, None).await.unwrap();
    page.items.iter().map(|row| row.value.name.to_string()).collect()
}

async fn ap09_an_environment_is_written_listed_and_remembered_when_it_has_ended(table: &Table) {
    let next = environment("acme:one", &["one.example"]);
    let row = written(put(table, None, &next, "create").await);
    let namespace = next.name.namespace();
    assert_eq!(table.store.environment(&namespace).await.unwrap(), Some(row.clone()));
    assert_eq!(names(table, &Organisations::All).await, ["acme:one"]);

    let ending = written(
        put(
            table,
            Some(&row),
            &row.value.ending(EnvironmentEnd::Deleted, after(1)),
            "end",
        )
        .await,
    );
    assert_eq!(names(table, &Organisations::All).await, ["acme:one"]);
    assert_eq!(
        owners(table, &["one.example"]).await.len(),
        1,
        "until nothing is left of it"
    );
    let ended = written(put(table, Some(&ending), &ending.value.ended(after(2)), "ended").await);
    assert_eq!(names(table, &Organisations::All).await, [] as [&str; 0]);
    assert_eq!(owners(table, &["one.example"]).await, []);
    assert_eq!(table.store.environment(&namespace).await.unwrap(), Some(ended.clone()));

    let again = Environment::new(
        EnvironmentAsk {
            name: next.name.clone(),
            hosts: these(&["one.example"]),
            lifetime: Lifetime::Forever,
            protect: false,
            asleep: false,
        },
        next.cell.clone(),
        "sealed".to_owned(),
        Some(ended.value.generation),
        now(),
    );
    let again = written(put(table, Some(&ended), &again, "again").await);
    assert!(again.value.born > ended.value.generation);
    assert_eq!(owners(table, &["one.example"]).await.len(), 1);
    assert_eq!(names(table, &Organisations::All).await, ["acme:one"]);
}

async fn ap09_a_host_name_has_one_owner_and_is_free_when_that_has_ended(table: &Table) {
    let one = written(put(table, None, &environment("acme:one", &["shared.example", "a"]), "one").await);
    let other = environment("acme:other", &["b", "shared.example"]);
    let refused = put(table, None, &other, "other").await.unwrap();
    assert_eq!(refused, EnvironmentWritten::HostTaken(host("shared.example")));
    assert_eq!(table.store.environment(&other.name.namespace()).await.unwrap(), None);
    assert_eq!(owners(table, &["b"]).await, [], "nothing was written");

    written(
        put(
            table,
            Some(&one),
            &one.value.ending(EnvironmentEnd::Expired, now()).ended(now()),
            "end",
        )
        .await,
    );
    written(put(table, None, &other, "other again").await);
    let owner = ("shared.example".to_owned(), "acme-other".to_owned());
    assert_eq!(owners(table, &["shared.example", "a"]).await, [owner]);
}

async fn ap09_a_change_claims_and_frees_the_difference_alone(table: &Table) {
    let row = written(put(table, None, &environment("acme:one", &["kept", "freed"]), "create").await);
    let row = written(put(table, Some(&row), &with_hosts(&row, &["kept", "claimed"]), "patch").await);
    let own = |host: &str| (host.to_owned(), "acme-one".to_owned());
    let all = ["kept", "freed", "claimed"];
    assert_eq!(owners(table, &all).await, [own("claimed"), own("kept")]);
    written(put(table, None, &environment("acme:other", &["freed"]), "other").await);
    let refused = put(table, Some(&row), &with_hosts(&row, &["kept", "freed"]), "back").await;
    assert_eq!(refused.unwrap(), EnvironmentWritten::HostTaken(host("freed")));
    assert_eq!(
        table.store.environment(&row.value.name.namespace()).await.unwrap(),
        Some(row)
    );
}

async fn ap09_of_sixty_four_who_claim_one_host_name_one_gets_it(table: &Table) {
    let claims = (0..64).map(|number| async move {
        let next = environment(&format!("acme:e{number}"), &["wanted.example"]);
        put(table, None, &next, &format!("claim-{number}")).await
    });
    let mut got = 0;
    for outcome in join_all(claims).await {
        match outcome.unwrap() {
            EnvironmentWritten::Written(_) => got += 1,
            EnvironmentWritten::HostTaken(taken) => assert_eq!(taken, host("wanted.example")),
            EnvironmentWritten::Bound(_) => panic!("no key was sent"),
        }
    }
    assert_eq!(got, 1);
    assert_eq!(names(table, &Organisations::All).await.len(), 1);
}

async fn ap09_an_environment_with_all_the_host_names_that_it_may_have_changes_them_all(table: &Table) {
    let all = |prefix: &str| -> Vec<String> {
        (0..domain::limits::HOSTS_MAX)
            .map(|number| format!("{prefix}{number}.example"))
            .collect()
    };
    let texts = [all("a"), all("b")];
    let [before, after] = texts
        .each_ref()
        .map(|texts| texts.iter().map(String::as_str).collect::<Vec<_>>());
    let row = written(put(table, None, &environment("acme:one", &before), "create").await);
    written(put(table, Some(&row), &with_hosts(&row, &after), "patch").await);
    assert_eq!(owners(table, &before).await, []);
    assert_eq!(owners(table, &after).await.len(), after.len());
}

async fn ap09_two_names_of_one_namespace_are_one_row(table: &Table) {
    written(put(table, None, &environment("a-b:c", &[]), "one").await);
    let other = environment("a:b-c", &[]);
    assert!(matches!(
        put(table, None, &other, "other").await,
        Err(WriteError::Overtaken)
    ));
    let there = table.store.environment(&other.name.namespace()).await.unwrap().unwrap();
    assert_eq!(there.value.name.to_string(), "a-b:c");
}

async fn ap16_environments_are_listed_by_organisation_or_all_together(table: &Table) {
    for (number, name) in ["acme:one", "other:one", "acme:two", "third:one"]
        .into_iter()
        .enumerate()
    {
        let mut next = environment(name, &[]);
        next.created_at = after(number as i64);
        written(put(table, None, &next, name).await);
    }
    let of = |names: &[&str]| {
        let names = names.iter().map(|name| OrganisationName::parse(name).unwrap());
        Organisations::Some(names.collect::<BTreeSet<_>>())
    };
    assert_eq!(
        names(table, &Organisations::All).await,
        ["third:one", "acme:two", "other:one", "acme:one"]
    );
    assert_eq!(names(table, &of(&["acme"])).await, ["acme:two", "acme:one"]);
    assert_eq!(
        names(table, &of(&["third", "acme"])).await,
        ["third:one", "acme:two", "acme:one"]
    );
    assert_eq!(names(table, &of(&[])).await, [] as [&str; 0]);
    let page = table
        .store
        .environments(&of(&["third", "acme"]), 2, None)
        .await
        .unwrap();
    let rest = table
        .store
        .environments(&of(&["third", "acme"]), 2, page.next.as_deref())
        .await
        .unwrap();
    assert_eq!((page.items.len(), rest.items.len()), (2, 1));
}

async fn ap06_an_environment_is_due_in_the_lane_of_its_cell(table: &Table) {
    let row = written(put(table, None, &environment("acme:one", &[]), "create").await);
    let lane = Lane::Environments(row.value.cell.clone());
    let due_at = async |at| {
        let mut found = Vec::new();
        for shard in 0..lane.shards() {
            found.extend(table.store.due(&lane, shard, at, None).await.unwrap().items);
        }
        found
    };
    assert_eq!(due_at(after(59)).await, []);
    let due = due_at(after(60)).await;
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].subject, Subject::Environment(row.value.name.namespace()));
    assert_eq!(due[0].state, "live");
}

async fn ap15_a_key_binds_with_the_environment_that_it_makes(table: &Table) {
    let binding = Binding {
        caller: "key:ci".to_owned(),
        route: "environment-create".to_owned(),
        key: "k".to_owned(),
        body_sha256: "b".to_owned(),
    };
    let create = async |name: &str, by: &str| {
        let (next, look) = (environment(name, &["h"]), look(now(), by));
        let put = table.store.put_environment(None, &next, None, Some(&binding), &look);
        put.await.unwrap()
    };
    let EnvironmentWritten::Written(row) = create("acme:one", "one").await else {
        panic!("it is not written");
    };
    let bound = table.store.binding(&binding, now()).await.unwrap().unwrap();
    assert_eq!(bound.made, store::made_as(&row.value));
    let mut other = environment("acme:two", &[]);
    other.generation = Generation(1);
    let look = look(now(), "two");
    let again = table
        .store
        .put_environment(None, &other, None, Some(&binding), &look)
        .await;
    assert_eq!(again.unwrap(), EnvironmentWritten::Bound(bound));
    assert_eq!(table.store.environment(&other.name.namespace()).await.unwrap(), None);
}

async fn w1_sixty_four_who_change_one_environment_are_one(table: &Table) {
    let row = &written(put(table, None, &environment("acme:one", &[]), "create").await);
    let changes = (0..64).map(|number| async move {
        let next = with_hosts(row, &[&format!("h{number}")]);
        put(table, Some(row), &next, &format!("change-{number}")).await
    });
    let done = join_all(changes).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
    let hosts: Vec<String> = (0..64).map(|number| format!("h{number}")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    assert_eq!(owners(table, &hosts).await.len(), 1);
}

async fn w2_an_environment_whose_write_lost_its_answer_is_written_once(table: &Table) {
    let next = environment("acme:one", &["h"]);
    let losing = table.failing(Arc::new(|_, request| {
        if is(request, "TransactWriteItems") {
            Fault::LoseAnswer
        } else {
            Fault::Pass
        }
    }));
    let look = look(now(), "create");
    losing
        .put_environment(None, &next, None, None, &look)
        .await
        .unwrap_err();
    let row = written(table.store.put_environment(None, &next, None, None, &look).await);
    assert_eq!(
        (
            row.version,
            table.store.environment(&next.name.namespace()).await.unwrap()
        ),
        (1, Some(row))
    );
}
