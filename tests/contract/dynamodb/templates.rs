//! Templates, and the table itself.

use domain::Template;
use net::Fault;
use store::schema::TABLE;

use crate::support::*;

checks! {
    ap02_a_template_reads_back_and_remembers_when_it_was_first_written
    ap02_a_writer_whose_clock_is_behind_does_not_modify_a_template_before_it_was_made
    ap02_writers_of_one_template_at_once_all_succeed_one_after_another
    w2_a_template_whose_answer_was_lost_is_written_once_and_deleted_once
    a_deleted_template_is_gone_and_deleting_it_again_says_so
    ap16_templates_come_newest_first_page_after_page
    the_table_is_made_as_it_is_defined_and_only_once
}

async fn ap02_a_template_reads_back_and_remembers_when_it_was_first_written(table: &Table) {
    assert_eq!(table.store.template(&name("t")).await.unwrap(), None);
    let first = table
        .store
        .put_template(&template("t"), &look(now(), "a"))
        .await
        .unwrap();
    assert_eq!((first.time_created, first.time_modified), (Some(now()), Some(now())));
    let mut changed = Template {
        time_created: Some(after(-99)),
        ..template("t")
    };
    changed.workload.port = 80;
    let second = table.store.put_template(&changed, &look(after(5), "b")).await.unwrap();
    assert_eq!(
        (second.time_created, second.time_modified, second.workload.port),
        (Some(now()), Some(after(5)), 80)
    );
    assert_eq!(table.store.template(&name("t")).await.unwrap(), Some(second));
    assert_eq!(table.row("TPL#t", "TPL").await.unwrap()["version"].as_n().unwrap(), "2");
}

async fn ap02_a_writer_whose_clock_is_behind_does_not_modify_a_template_before_it_was_made(table: &Table) {
    table
        .store
        .put_template(&template("t"), &look(now(), "a"))
        .await
        .unwrap();
    let behind = table
        .store
        .put_template(&template("t"), &look(after(-2), "b"))
        .await
        .unwrap();
    assert_eq!((behind.time_created, behind.time_modified), (Some(now()), Some(now())));
}

async fn ap02_writers_of_one_template_at_once_all_succeed_one_after_another(table: &Table) {
    let looks: Vec<_> = (0..4).map(|n| look(after(n), &format!("writer/{n}"))).collect();
    let one = template("t");
    let writes = looks.iter().map(|look| table.store.put_template(&one, look));
    for written in futures::future::join_all(writes).await {
        written.unwrap();
    }
    assert_eq!(table.row("TPL#t", "TPL").await.unwrap()["version"].as_n().unwrap(), "4");
}

async fn w2_a_template_whose_answer_was_lost_is_written_once_and_deleted_once(table: &Table) {
    let lossy = table.failing(first("PutItem", 1, || Fault::LoseAnswer).faults);
    lossy.put_template(&template("t"), &look(now(), "a")).await.unwrap();
    assert_eq!(table.row("TPL#t", "TPL").await.unwrap()["version"].as_n().unwrap(), "1");
    let lossy = table.failing(first("DeleteItem", 1, || Fault::LoseAnswer).faults);
    assert!(lossy.delete_template(&name("t")).await.unwrap());
    assert_eq!(table.store.template(&name("t")).await.unwrap(), None);
}

async fn a_deleted_template_is_gone_and_deleting_it_again_says_so(table: &Table) {
    table
        .store
        .put_template(&template("t"), &look(now(), "a"))
        .await
        .unwrap();
    assert!(table.store.delete_template(&name("t")).await.unwrap());
    assert!(!table.store.delete_template(&name("t")).await.unwrap());
    assert_eq!(table.store.templates(10, None).await.unwrap().items, []);
}

async fn ap16_templates_come_newest_first_page_after_page(table: &Table) {
    for number in 0..120 {
        let one = template(&format!("t{number:03}"));
        table
            .store
            .put_template(&one, &look(after(number), &format!("p/{number}")))
            .await
            .unwrap();
    }
    table
        .store
        .put_template(&template("t000"), &look(after(999), "again"))
        .await
        .unwrap();
    let expected: Vec<_> = (0..120).rev().map(|number| name(&format!("t{number:03}"))).collect();
    for limit in [1, 50, 119, 120, 1000] {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let page = table.store.templates(limit, after.as_deref()).await.unwrap();
            assert!(page.items.len() <= limit);
            names.extend(page.items.into_iter().map(|one| one.name));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(names, expected, "limit {limit}");
    }
}

async fn the_table_is_made_as_it_is_defined_and_only_once(table: &Table) {
    table
        .store
        .put_template(&template("t"), &look(now(), "a"))
        .await
        .unwrap();
    table.store.ensure_table().await.unwrap();
    assert!(table.store.template(&name("t")).await.unwrap().is_some());
    let made = table
        .raw
        .describe_table()
        .table_name(&table.name)
        .send()
        .await
        .unwrap()
        .table
        .unwrap();
    let keys: Vec<_> = made.key_schema().iter().map(|key| key.attribute_name()).collect();
    assert_eq!(keys, [TABLE.partition_key, TABLE.sort_key]);
    assert_eq!(made.global_secondary_indexes().len(), TABLE.indexes.len());
    for index in TABLE.indexes {
        let named =
            |made: &&aws_sdk_dynamodb::types::GlobalSecondaryIndexDescription| made.index_name() == Some(index.name);
        let made = made.global_secondary_indexes().iter().find(named).unwrap();
        let keys: Vec<_> = made.key_schema().iter().map(|key| key.attribute_name()).collect();
        assert_eq!(keys, [index.partition_key, index.sort_key]);
        let mut carried = made.projection().unwrap().non_key_attributes().to_vec();
        let mut wanted = index.projected.to_vec();
        carried.sort();
        wanted.sort_unstable();
        assert_eq!(carried, wanted);
    }
    let described = table
        .raw
        .describe_time_to_live()
        .table_name(&table.name)
        .send()
        .await
        .unwrap();
    let attribute = described.time_to_live_description.unwrap().attribute_name;
    assert_eq!(attribute.as_deref(), Some(TABLE.time_to_live));
}
