//! What a value may be, and what becomes of it.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::raw::*;
use crate::server::Table;

checks! {
    every_type_reads_back_as_it_was_written
    numbers_keep_thirty_eight_digits
    an_empty_text_is_a_value_but_no_key
    a_key_has_its_type_and_so_has_an_index_key
    a_key_is_at_most_as_long_as_the_definition_says
    an_item_is_at_most_400_kilobytes
}

async fn every_type_reads_back_as_it_was_written(table: &Table) {
    let values = [
        ("text", s("ü 🦀 \u{0} \n \"")),
        ("yes", AttributeValue::Bool(true)),
        ("null", AttributeValue::Null(true)),
        ("bytes", AttributeValue::B(Blob::new([0, 255, 10]))),
        ("texts", AttributeValue::Ss(vec!["a".to_owned(), "b".to_owned()])),
        ("list", AttributeValue::L(vec![n(1), s(""), AttributeValue::L(vec![])])),
        (
            "map",
            AttributeValue::M(HashMap::from([("a.b".to_owned(), AttributeValue::M(HashMap::new()))])),
        ),
    ];
    let mut row = key("a");
    row.extend(item(values));
    table.put(row.clone()).await;
    let mut read = table.get(key("a")).await.unwrap();
    if let Some(AttributeValue::Ss(texts)) = read.get_mut("texts") {
        texts.sort();
    }
    assert_eq!(read, row);
    let none = AttributeValue::Ss(vec![]);
    assert_eq!(
        table.refuses(with(key("b"), "texts", none)).await,
        "ValidationException",
        "an empty set"
    );
}

async fn numbers_keep_thirty_eight_digits(table: &Table) {
    let digits = "12345678901234567890123456789012345678";
    let exact = [
        digits,
        "-1",
        "0",
        "9223372036854775807",
        "1785000000000",
        "0.000001",
        "-0.5",
    ];
    for (written, read) in
        exact
            .map(|text| (text, text))
            .into_iter()
            .chain([("1.0", "1"), ("007", "7"), ("1e3", "1000")])
    {
        table.put(with(key("a"), "n", n(written))).await;
        assert_eq!(table.get(key("a")).await.unwrap()["n"], n(read), "{written}");
    }
    for refused in [&format!("{digits}9"), "1e126", "", "one", "NaN", "Infinity", "0x1"] {
        assert_eq!(
            table.refuses(with(key("a"), "n", n(refused))).await,
            "ValidationException",
            "'{refused}'"
        );
    }
}

async fn an_empty_text_is_a_value_but_no_key(table: &Table) {
    table.put(with(key("a"), "text", s(""))).await;
    assert_eq!(table.get(key("a")).await.unwrap()["text"], s(""));
    assert_eq!(table.refuses(key("")).await, "ValidationException");
    assert_eq!(
        table.refuses(item([("pk", s("")), ("sk", s("a"))])).await,
        "ValidationException"
    );
    let listed = with(with(key("a"), "list_part", s("L")), "list_key", s(""));
    assert_eq!(
        table.refuses(listed).await,
        "ValidationException",
        "nor a key of an index"
    );
}

async fn a_key_has_its_type_and_so_has_an_index_key(table: &Table) {
    assert_eq!(
        table.refuses(item([("pk", s("p")), ("sk", n(1))])).await,
        "ValidationException"
    );
    assert_eq!(table.refuses(item([("pk", s("p"))])).await, "ValidationException");
    for wrong in [n(1), AttributeValue::Null(true), AttributeValue::Bool(true)] {
        let row = with(with(key("a"), "list_part", s("L")), "list_key", wrong.clone());
        assert_eq!(table.refuses(row).await, "ValidationException", "{wrong:?}");
        let alone = with(key("a"), "due_part", wrong.clone());
        assert_eq!(
            table.refuses(alone).await,
            "ValidationException",
            "{wrong:?}, though the index would not have it"
        );
    }
    assert_eq!(table.get(key("a")).await, None);
}

async fn a_key_is_at_most_as_long_as_the_definition_says(table: &Table) {
    table
        .put(item([("pk", s("p".repeat(2048))), ("sk", s("s".repeat(1024)))]))
        .await;
    for (partition, sort) in [(2049, 1), (1, 1025)] {
        let row = item([("pk", s("p".repeat(partition))), ("sk", s("s".repeat(sort)))]);
        assert_eq!(table.refuses(row).await, "ValidationException");
    }
}

async fn an_item_is_at_most_400_kilobytes(table: &Table) {
    // Names count as values do: `pk` `p` `sk` `a` `t` are seven bytes.
    let most = 400 * 1024 - 7;
    table.put(with(key("a"), "t", s("x".repeat(most)))).await;
    assert_eq!(table.get(key("a")).await.unwrap()["t"].as_s().unwrap().len(), most);
    let larger = with(key("a"), "t", s("x".repeat(most + 1)));
    assert_eq!(table.refuses(larger).await, "ValidationException");
    let update = table.raw.update_item().table_name(&table.name).set_key(Some(key("a")));
    let update = update
        .update_expression("SET u = :u")
        .expression_attribute_values(":u", s("x"));
    assert_eq!(
        code(update.send().await),
        "ValidationException",
        "nor does an update make it larger"
    );
}
