//! Single writes and their conditions.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use futures::future::join_all;

use crate::raw::*;
use crate::server::Table;

checks! {
    a_failed_condition_returns_the_item_that_is_there
    a_failed_condition_on_nothing_returns_nothing
    a_put_replaces_the_item_whole
    a_delete_of_nothing_is_done
    an_update_makes_what_is_not_there_and_adds_to_nothing
    a_key_is_never_updated
    a_condition_compares_numbers_as_numbers_and_texts_by_bytes
    a_reserved_word_has_to_be_renamed
    a_value_that_no_expression_names_is_refused
    of_sixty_four_who_make_a_row_one_does
    of_sixty_four_who_read_a_version_one_writes_the_next
    sixty_four_who_count_are_all_counted
    a_table_that_is_not_there_is_told_apart
}

const ALL_OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

async fn a_failed_condition_returns_the_item_that_is_there(table: &Table) {
    let old = with(with(key("a"), "n", n(1)), "by", s("x"));
    table.put(old.clone()).await;
    let put = table
        .raw
        .put_item()
        .table_name(&table.name)
        .set_item(Some(with(key("a"), "n", n(2))));
    let put = put.condition_expression("attribute_not_exists(pk)");
    let refused = put
        .return_values_on_condition_check_failure(ALL_OLD)
        .send()
        .await
        .unwrap_err();
    let PutItemError::ConditionalCheckFailedException(failed) = refused.into_service_error() else {
        panic!("not a failed condition");
    };
    assert_eq!(failed.item, Some(old.clone()));
    let delete = table.raw.delete_item().table_name(&table.name).set_key(Some(key("a")));
    let delete = delete
        .condition_expression("n = :n")
        .expression_attribute_values(":n", n(2));
    let refused = delete
        .return_values_on_condition_check_failure(ALL_OLD)
        .send()
        .await
        .unwrap_err();
    let DeleteItemError::ConditionalCheckFailedException(failed) = refused.into_service_error() else {
        panic!("not a failed condition");
    };
    assert_eq!(failed.item, Some(old.clone()));
    let update = table.raw.update_item().table_name(&table.name).set_key(Some(key("a")));
    let update = update.update_expression("SET n = :n").condition_expression("n >= :n");
    let update = update.expression_attribute_values(":n", n(2));
    let refused = update
        .return_values_on_condition_check_failure(ALL_OLD)
        .send()
        .await
        .unwrap_err();
    let UpdateItemError::ConditionalCheckFailedException(failed) = refused.into_service_error() else {
        panic!("not a failed condition");
    };
    assert_eq!(failed.item, Some(old.clone()));
    assert_eq!(table.get(key("a")).await, Some(old));
}

async fn a_failed_condition_on_nothing_returns_nothing(table: &Table) {
    let put = table.raw.put_item().table_name(&table.name).set_item(Some(key("a")));
    let put = put
        .condition_expression("version = :v")
        .expression_attribute_values(":v", n(1));
    let refused = put
        .return_values_on_condition_check_failure(ALL_OLD)
        .send()
        .await
        .unwrap_err();
    let PutItemError::ConditionalCheckFailedException(failed) = refused.into_service_error() else {
        panic!("not a failed condition");
    };
    assert_eq!(failed.item, None);
    assert_eq!(table.get(key("a")).await, None);
}

async fn a_put_replaces_the_item_whole(table: &Table) {
    table.put(with(with(key("a"), "n", n(1)), "gone", s("x"))).await;
    let put = table
        .raw
        .put_item()
        .table_name(&table.name)
        .set_item(Some(with(key("a"), "n", n(2))));
    let answer = put.return_values(ReturnValue::AllOld).send().await.unwrap();
    assert_eq!(answer.attributes.unwrap()["gone"], s("x"));
    assert_eq!(table.get(key("a")).await, Some(with(key("a"), "n", n(2))));
}

async fn a_delete_of_nothing_is_done(table: &Table) {
    for _ in 0..2 {
        let delete = table.raw.delete_item().table_name(&table.name).set_key(Some(key("a")));
        let answer = delete.return_values(ReturnValue::AllOld).send().await.unwrap();
        assert_eq!(answer.attributes, None);
    }
    let delete = table.raw.delete_item().table_name(&table.name).set_key(Some(key("a")));
    let delete = delete.condition_expression("attribute_exists(pk)");
    assert_eq!(code(delete.send().await), "ConditionalCheckFailedException");
}

async fn an_update_makes_what_is_not_there_and_adds_to_nothing(table: &Table) {
    for expected in [2, 4] {
        let update = table.raw.update_item().table_name(&table.name).set_key(Some(key("a")));
        let update = update.update_expression("SET kind = :k ADD n :two");
        let update = update
            .expression_attribute_values(":k", s("x"))
            .expression_attribute_values(":two", n(2));
        let answer = update.return_values(ReturnValue::AllNew).send().await.unwrap();
        assert_eq!(
            answer.attributes,
            Some(with(with(key("a"), "n", n(expected)), "kind", s("x")))
        );
    }
}

async fn a_key_is_never_updated(table: &Table) {
    table.put(key("a")).await;
    let update = table.raw.update_item().table_name(&table.name).set_key(Some(key("a")));
    let update = update
        .update_expression("SET sk = :b")
        .expression_attribute_values(":b", s("b"));
    assert_eq!(code(update.send().await), "ValidationException");
}

async fn a_condition_compares_numbers_as_numbers_and_texts_by_bytes(table: &Table) {
    table.put(with(with(key("a"), "n", n(9)), "t", s("b"))).await;
    for (condition, value, holds) in [
        ("n < :v", n(10), true),
        ("n = :v", n("9.00"), true),
        ("n <= :v", n("8.9"), false),
        ("n = :v", s("9"), false),
        ("t < :v", s("ba"), true),
        ("t > :v", s("Z"), true),
        ("t < :v", s("é"), true),
        ("absent = :v", n(1), false),
        ("absent <> :v", n(1), true),
        ("attribute_not_exists(absent) OR absent <= :v", n(1), true),
    ] {
        let put = table.raw.put_item().table_name(&table.name);
        let put = put.set_item(Some(with(with(key("a"), "n", n(9)), "t", s("b"))));
        let put = put
            .condition_expression(condition)
            .expression_attribute_values(":v", value.clone());
        match put.send().await {
            Ok(_) => assert!(holds, "{condition} {value:?}"),
            refused => {
                assert_eq!(
                    code(refused),
                    "ConditionalCheckFailedException",
                    "{condition} {value:?}"
                );
                assert!(!holds, "{condition} {value:?}");
            }
        }
    }
}

async fn a_reserved_word_has_to_be_renamed(table: &Table) {
    for word in ["by", "state", "status", "at", "name"] {
        let put = table.raw.put_item().table_name(&table.name).set_item(Some(key("a")));
        let put = put.condition_expression(format!("attribute_not_exists({word})"));
        assert_eq!(code(put.send().await), "ValidationException", "{word}");
        let put = table.raw.put_item().table_name(&table.name).set_item(Some(key("a")));
        let put = put
            .condition_expression("attribute_not_exists(#w)")
            .expression_attribute_names("#w", word);
        put.send().await.unwrap();
    }
}

async fn a_value_that_no_expression_names_is_refused(table: &Table) {
    let put = || table.raw.put_item().table_name(&table.name).set_item(Some(key("a")));
    let put = || {
        put()
            .condition_expression("attribute_not_exists(#n)")
            .expression_attribute_names("#n", "n")
    };
    put().send().await.unwrap();
    assert_eq!(
        code(put().expression_attribute_values(":v", n(1)).send().await),
        "ValidationException"
    );
    assert_eq!(
        code(put().expression_attribute_names("#m", "m").send().await),
        "ValidationException"
    );
    let undefined = table.raw.put_item().table_name(&table.name).set_item(Some(key("a")));
    assert_eq!(
        code(undefined.condition_expression("n = :v").send().await),
        "ValidationException"
    );
}

async fn of_sixty_four_who_make_a_row_one_does(table: &Table) {
    let puts = (0..64).map(async |racer| {
        let put = table.raw.put_item().table_name(&table.name);
        let put = put.set_item(Some(with(key("a"), "racer", n(racer))));
        let put = put.condition_expression("attribute_not_exists(pk)");
        put.send().await.is_ok().then_some(racer)
    });
    let won: Vec<i32> = join_all(puts).await.into_iter().flatten().collect();
    assert_eq!(won.len(), 1, "{won:?}");
    assert_eq!(table.get(key("a")).await.unwrap()["racer"], n(won[0]));
}

async fn of_sixty_four_who_read_a_version_one_writes_the_next(table: &Table) {
    table.put(with(key("a"), "version", n(1))).await;
    for version in 1..=3 {
        let puts = (0..64).map(async |_| {
            let put = table.raw.put_item().table_name(&table.name);
            let put = put.set_item(Some(with(key("a"), "version", n(version + 1))));
            let put = put
                .condition_expression("version = :v")
                .expression_attribute_values(":v", n(version));
            put.send().await.is_ok()
        });
        assert_eq!(join_all(puts).await.into_iter().filter(|won| *won).count(), 1);
    }
    assert_eq!(table.get(key("a")).await.unwrap()["version"], n(4));
}

async fn sixty_four_who_count_are_all_counted(table: &Table) {
    let updates = (0..64).map(async |_| {
        let update = table.raw.update_item().table_name(&table.name).set_key(Some(key("a")));
        let update = update
            .update_expression("ADD n :one")
            .condition_expression("attribute_not_exists(n) OR n < :most");
        let update = update
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":most", n(40));
        update.send().await.is_ok()
    });
    assert_eq!(
        join_all(updates).await.into_iter().filter(|counted| *counted).count(),
        40
    );
    assert_eq!(table.get(key("a")).await.unwrap()["n"], n(40));
}

async fn a_table_that_is_not_there_is_told_apart(table: &Table) {
    let get = table.raw.get_item().table_name("no-such-table").set_key(Some(key("a")));
    assert_eq!(code(get.send().await), "ResourceNotFoundException");
    let describe = table.raw.describe_table().table_name("no-such-table");
    assert_eq!(code(describe.send().await), "ResourceNotFoundException");
    let wrong = table.raw.get_item().table_name(&table.name).key("pk", s("a"));
    assert_eq!(code(wrong.send().await), "ValidationException", "half a key");
}
