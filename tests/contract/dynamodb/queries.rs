//! Reads: by key, by index, in pages and in batches.

use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{KeysAndAttributes, PutRequest, Select, WriteRequest};

use crate::raw::*;
use crate::server::Table;

checks! {
    a_strong_read_sees_what_was_written
    a_partition_is_read_in_the_order_of_its_sort_keys
    sort_keys_are_chosen_by_ranges_and_beginnings
    a_page_ends_at_its_limit_and_the_next_begins_behind_it
    a_filter_comes_after_the_limit
    a_page_holds_a_megabyte_at_most
    a_page_begins_behind_a_row_that_is_gone
    an_index_has_only_what_has_its_keys
    an_index_shows_what_it_carries
    an_index_is_read_eventually_only
    an_index_with_one_key_for_many_is_paged_without_loss
    what_is_counted_is_not_read
    a_batch_reads_a_hundred_rows_and_leaves_out_what_is_not_there
    a_batch_writes_twenty_five_rows
}

fn of(table: &Table, partition: &str) -> QueryFluentBuilder {
    let query = table
        .raw
        .query()
        .table_name(&table.name)
        .key_condition_expression("pk = :p");
    query.expression_attribute_values(":p", s(partition))
}

/// The sort keys of what was read.
fn sorts(read: &QueryOutput) -> Vec<&str> {
    read.items()
        .iter()
        .map(|item| item["sk"].as_s().unwrap().as_str())
        .collect()
}

/// A row that stands in the index `list`.
fn listed(sort: &str, partition: &str, index_key: &str) -> Item {
    with(with(key(sort), "list_part", s(partition)), "list_key", s(index_key))
}

/// A question to the index `list`.
fn list(table: &Table, partition: &str) -> QueryFluentBuilder {
    let query = table.raw.query().table_name(&table.name).index_name("list");
    query
        .key_condition_expression("list_part = :p")
        .expression_attribute_values(":p", s(partition))
}

async fn fill(table: &Table, sort: impl IntoIterator<Item = &'static str>) {
    for sort in sort {
        table.put(key(sort)).await;
    }
}

async fn a_strong_read_sees_what_was_written(table: &Table) {
    for version in 0..20 {
        table.put(with(key("a"), "version", n(version))).await;
        assert_eq!(table.get(key("a")).await.unwrap()["version"], n(version));
        let read = of(table, "p").consistent_read(true).send().await.unwrap();
        assert_eq!(read.items()[0]["version"], n(version));
    }
}

async fn a_partition_is_read_in_the_order_of_its_sort_keys(table: &Table) {
    fill(table, ["b", "a", "B", "a#1", "a0", "ä", "aa", "~"]).await;
    table.put(item([("pk", s("q")), ("sk", s("a"))])).await;
    let read = of(table, "p").send().await.unwrap();
    assert_eq!(sorts(&read), ["B", "a", "a#1", "a0", "aa", "b", "~", "ä"], "by bytes");
    let read = of(table, "p").scan_index_forward(false).limit(2).send().await.unwrap();
    assert_eq!(sorts(&read), ["ä", "~"]);
    assert_eq!(sorts(&of(table, "none").send().await.unwrap()), [""; 0]);
}

async fn sort_keys_are_chosen_by_ranges_and_beginnings(table: &Table) {
    fill(table, ["a", "b", "b#1", "b#2", "bb", "c"]).await;
    for (condition, values, expected) in [
        ("sk > :a", vec!["b#1"], vec!["b#2", "bb", "c"]),
        ("sk >= :a", vec!["b#2"], vec!["b#2", "bb", "c"]),
        ("sk < :a", vec!["b"], vec!["a"]),
        ("sk <= :a", vec!["b"], vec!["a", "b"]),
        ("sk BETWEEN :a AND :b", vec!["b", "b#2"], vec!["b", "b#1", "b#2"]),
        ("begins_with(sk, :a)", vec!["b"], vec!["b", "b#1", "b#2", "bb"]),
        ("begins_with(sk, :a)", vec!["b#"], vec!["b#1", "b#2"]),
        ("sk = :a", vec!["c"], vec!["c"]),
    ] {
        let mut query = of(table, "p").key_condition_expression(format!("pk = :p AND {condition}"));
        for (name, value) in [":a", ":b"].into_iter().zip(values) {
            query = query.expression_attribute_values(name, s(value));
        }
        assert_eq!(sorts(&query.send().await.unwrap()), expected, "{condition}");
    }
    let turned = of(table, "p").key_condition_expression("pk = :p AND sk BETWEEN :a AND :b");
    let turned = turned
        .expression_attribute_values(":a", s("c"))
        .expression_attribute_values(":b", s("a"));
    assert_eq!(
        code(turned.send().await),
        "ValidationException",
        "a range that ends before it begins"
    );
    let twice = of(table, "p").key_condition_expression("pk = :p AND sk > :a AND sk < :b");
    let twice = twice
        .expression_attribute_values(":a", s("a"))
        .expression_attribute_values(":b", s("c"));
    assert_eq!(
        code(twice.send().await),
        "ValidationException",
        "two conditions on one key"
    );
}

async fn a_page_ends_at_its_limit_and_the_next_begins_behind_it(table: &Table) {
    fill(table, ["a", "b", "c", "d"]).await;
    let (mut seen, mut start) = (Vec::new(), None);
    for _ in 0..3 {
        let page = of(table, "p")
            .limit(2)
            .set_exclusive_start_key(start)
            .send()
            .await
            .unwrap();
        seen.push(sorts(&page).join(" "));
        start = page.last_evaluated_key;
        if start.is_none() {
            break;
        }
    }
    // A page that was just filled may say that there is more.
    seen.retain(|page| !page.is_empty());
    assert_eq!(seen, ["a b", "c d"]);
    let page = of(table, "p").limit(1).send().await.unwrap();
    assert_eq!(page.last_evaluated_key, Some(key("a")));
    assert_eq!(code(of(table, "p").limit(0).send().await), "ValidationException");
}

async fn a_filter_comes_after_the_limit(table: &Table) {
    for (sort, status) in [("a", "x"), ("b", "x"), ("c", "y"), ("d", "x"), ("e", "y")] {
        table.put(with(key(sort), "status", s(status))).await;
    }
    let filtered = || {
        let query = of(table, "p").limit(2).filter_expression("#s = :s");
        query
            .expression_attribute_names("#s", "status")
            .expression_attribute_values(":s", s("y"))
    };
    let page = filtered().send().await.unwrap();
    assert_eq!((page.count, page.scanned_count, sorts(&page)), (0, 2, vec![]));
    assert_eq!(page.last_evaluated_key, Some(key("b")), "an empty page is not the last");
    let page = filtered()
        .set_exclusive_start_key(page.last_evaluated_key)
        .send()
        .await
        .unwrap();
    assert_eq!((page.count, page.scanned_count, sorts(&page)), (1, 2, vec!["c"]));
    let page = filtered()
        .set_exclusive_start_key(page.last_evaluated_key)
        .send()
        .await
        .unwrap();
    assert_eq!((sorts(&page), &page.last_evaluated_key), (vec!["e"], &None));
}

async fn a_page_holds_a_megabyte_at_most(table: &Table) {
    for sort in ["a", "b", "c", "d", "e"] {
        table.put(with(key(sort), "text", s("x".repeat(300_000)))).await;
    }
    let (mut seen, mut start, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = of(table, "p").set_exclusive_start_key(start).send().await.unwrap();
        assert!(page.count <= 4, "{} of 300 kB each", page.count);
        seen.extend(sorts(&page).into_iter().map(str::to_owned));
        (start, pages) = (page.last_evaluated_key, pages + 1);
        if start.is_none() {
            break;
        }
    }
    assert_eq!((seen.join(""), pages), ("abcde".to_owned(), 2));
}

async fn a_page_begins_behind_a_row_that_is_gone(table: &Table) {
    fill(table, ["a", "c"]).await;
    let page = of(table, "p")
        .exclusive_start_key("pk", s("p"))
        .exclusive_start_key("sk", s("b"));
    assert_eq!(sorts(&page.send().await.unwrap()), ["c"]);
}

async fn an_index_has_only_what_has_its_keys(table: &Table) {
    table.put(listed("a", "L", "2")).await;
    table.put(listed("b", "L", "1")).await;
    table.put(with(key("no-key"), "list_part", s("L"))).await;
    table.put(key("neither")).await;
    assert_eq!(sorts(&list(table, "L").send().await.unwrap()), ["b", "a"]);
    table.put(listed("a", "M", "2")).await;
    table.put(key("b")).await;
    assert_eq!(
        sorts(&list(table, "L").send().await.unwrap()),
        [""; 0],
        "a row leaves with its keys"
    );
    assert_eq!(
        sorts(&list(table, "M").send().await.unwrap()),
        ["a"],
        "and moves with them"
    );
}

async fn an_index_shows_what_it_carries(table: &Table) {
    let row = with(with(listed("a", "L", "1"), "status", s("x")), "secret", s("y"));
    table.put(row).await;
    let read = list(table, "L").send().await.unwrap();
    assert_eq!(read.items(), [with(listed("a", "L", "1"), "status", s("x"))]);
}

async fn an_index_is_read_eventually_only(table: &Table) {
    assert_eq!(
        code(list(table, "L").consistent_read(true).send().await),
        "ValidationException"
    );
    let missing = list(table, "L").index_name("none");
    assert_eq!(code(missing.send().await), "ValidationException");
}

async fn an_index_with_one_key_for_many_is_paged_without_loss(table: &Table) {
    for number in 0..10 {
        table.put(listed(&format!("{number}"), "L", "same")).await;
    }
    let (mut seen, mut start) = (Vec::new(), None);
    for _ in 0..10 {
        let page = list(table, "L")
            .limit(3)
            .set_exclusive_start_key(start)
            .send()
            .await
            .unwrap();
        seen.extend(sorts(&page).into_iter().map(str::to_owned));
        start = page.last_evaluated_key;
        let Some(start) = &start else { break };
        let mut names: Vec<_> = start.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["list_key", "list_part", "pk", "sk"],
            "both keys say where a page ends"
        );
    }
    seen.sort();
    assert_eq!(seen.concat(), "0123456789");
}

async fn what_is_counted_is_not_read(table: &Table) {
    for number in 0..5 {
        table.put(listed(&number.to_string(), "L", &number.to_string())).await;
    }
    let counted = list(table, "L").select(Select::Count).send().await.unwrap();
    assert_eq!((counted.count, counted.items), (5, None));
    let page = list(table, "L").select(Select::Count).limit(2).send().await.unwrap();
    assert_eq!((page.count, page.last_evaluated_key.is_some()), (2, true));
}

async fn a_batch_reads_a_hundred_rows_and_leaves_out_what_is_not_there(table: &Table) {
    let written: Vec<WriteRequest> = (0..25).map(|row| write(key(&row.to_string()))).collect();
    table
        .raw
        .batch_write_item()
        .request_items(&table.name, written)
        .send()
        .await
        .unwrap();
    let read = async |keys: Vec<Item>| {
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .build()
            .unwrap();
        table.raw.batch_get_item().request_items(&table.name, keys).send().await
    };
    let answer = read((0..100).map(|row| key(&row.to_string())).collect()).await.unwrap();
    let mut found: Vec<u8> = answer.responses.unwrap()[&table.name]
        .iter()
        .map(|item| item["sk"].as_s().unwrap().parse().unwrap())
        .collect();
    found.sort_unstable();
    assert_eq!(found, (0..25).collect::<Vec<u8>>());
    assert!(answer.unprocessed_keys.unwrap_or_default().is_empty());
    let many = (0..101).map(|row| key(&row.to_string())).collect();
    assert_eq!(code(read(many).await), "ValidationException");
    assert_eq!(
        code(read(vec![key("1"), key("1")]).await),
        "ValidationException",
        "one row twice"
    );
    assert_eq!(
        read(vec![key("none")]).await.unwrap().responses.unwrap()[&table.name],
        []
    );
}

fn write(item: Item) -> WriteRequest {
    let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
    WriteRequest::builder().put_request(put).build()
}

async fn a_batch_writes_twenty_five_rows(table: &Table) {
    let batch = async |count: usize| {
        let writes: Vec<WriteRequest> = (0..count).map(|row| write(key(&row.to_string()))).collect();
        table
            .raw
            .batch_write_item()
            .request_items(&table.name, writes)
            .send()
            .await
    };
    batch(25).await.unwrap();
    assert_eq!(of(table, "p").send().await.unwrap().count, 25);
    assert_eq!(code(batch(26).await), "ValidationException");
}
