//! Jobs: pods that are to succeed, so many, so often, so long.

use serde_json::{Value, json};

use crate::looks::{condition, text};
use crate::server::{Server, eventually};

checks! {
    a_new_job_is_filled_in_and_labels_its_pods
    a_job_completes_once_enough_pods_have_succeeded
    a_job_runs_so_many_pods_at_a_time
    a_job_fails_at_its_backoff_limit
    a_job_fails_at_its_deadline
    a_suspended_job_has_no_pods_until_it_is_resumed
    a_finished_job_goes_after_its_time
    a_deleted_job_leaves_its_pods_unless_told_otherwise
    a_job_that_restarts_containers_completes_too
    the_pods_of_a_job_never_change
    a_wrong_job_is_refused_by_field
}

fn job(name: &str, image: &str, command: Value) -> Value {
    let container = json!({ "name": "c", "image": image, "command": command });
    let pod = json!({ "restartPolicy": "Never", "containers": [container] });
    json!({ "metadata": { "name": name }, "spec": { "template": { "spec": pod } } })
}

/// A job whose pods succeed.
fn quick(name: &str) -> Value {
    job(name, "web", json!(["true"]))
}

/// A job whose pods run until they are ended.
fn endless(name: &str) -> Value {
    job(name, "web", json!(null))
}

fn holds(job: &Value, name: &str) -> bool {
    condition(job, name)["status"] == "True"
}

async fn a_new_job_is_filled_in_and_labels_its_pods(server: &Server) {
    let made = server.post("jobs", endless("work")).await.done();
    let uid = &made["metadata"]["uid"];
    let labels = json!({
        "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": "work", "controller-uid": uid,
        "job-name": "work",
    });
    let spec = &made["spec"];
    assert_eq!(spec["template"]["metadata"], json!({ "labels": labels }));
    assert_eq!(made["metadata"]["labels"], labels);
    assert_eq!(
        spec["selector"],
        json!({ "matchLabels": { "batch.kubernetes.io/controller-uid": uid } })
    );
    let counts = ["parallelism", "completions", "backoffLimit"].map(|name| spec[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 6]);
    let texts = ["completionMode", "podReplacementPolicy"].map(|name| text(&spec[name]));
    assert_eq!(texts, ["NonIndexed", "TerminatingOrFailed"]);
    assert_eq!(
        (&spec["suspend"], &spec["manualSelector"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(
        (&made["metadata"]["generation"], &made["status"]),
        (&json!(1), &json!({}))
    );
    let seen = server
        .until("jobs/work", "at work", |job| job["status"]["ready"] == 1)
        .await;
    assert_eq!(
        (&seen["status"]["active"], &seen["status"]["terminating"]),
        (&json!(1), &json!(0))
    );
    assert!(!seen["status"]["startTime"].is_null());
    let pod = server.items("pods").await.remove(0);
    assert_eq!(pod["metadata"]["labels"], labels);
    assert_eq!(pod["metadata"]["generateName"], "work-");
    assert_eq!(
        pod["metadata"]["finalizers"],
        json!(["batch.kubernetes.io/job-tracking"])
    );
    let owner = &pod["metadata"]["ownerReferences"][0];
    assert_eq!(
        (text(&owner["apiVersion"]), text(&owner["kind"]), &owner["uid"]),
        ("batch/v1", "Job", uid)
    );
    assert_eq!(owner["controller"], true);
}

async fn a_job_completes_once_enough_pods_have_succeeded(server: &Server) {
    let mut two = quick("work");
    two["spec"]["completions"] = json!(2);
    server.post("jobs", two).await.done();
    let done = server
        .until("jobs/work", "complete", |job| holds(job, "Complete"))
        .await;
    let status = &done["status"];
    assert_eq!(
        (&status["succeeded"], &status["active"], &status["failed"]),
        (&json!(2), &Value::Null, &Value::Null)
    );
    assert!(!status["completionTime"].is_null());
    assert_eq!(status["uncountedTerminatedPods"], json!({}));
    for name in ["SuccessCriteriaMet", "Complete"] {
        let condition = condition(&done, name);
        assert_eq!(condition["reason"], "CompletionsReached");
        assert_eq!(condition["message"], "Reached expected number of succeeded pods");
    }
    let pods = server.items("pods").await;
    assert_eq!(pods.len(), 2);
    assert!(
        pods.iter()
            .all(|pod| pod["status"]["phase"] == "Succeeded" && pod["metadata"]["finalizers"].is_null())
    );
}

async fn a_job_runs_so_many_pods_at_a_time(server: &Server) {
    let mut many = endless("work");
    many["spec"]["parallelism"] = json!(2);
    many["spec"]["completions"] = json!(5);
    server.post("jobs", many).await.done();
    server
        .until("jobs/work", "at work", |job| job["status"]["ready"] == 2)
        .await;
    assert_eq!(server.items("pods").await.len(), 2);
    server
        .merge("jobs/work", json!({ "spec": { "parallelism": 3 } }))
        .await
        .done();
    server
        .until("jobs/work", "more at work", |job| job["status"]["active"] == 3)
        .await;
    server
        .merge("jobs/work", json!({ "spec": { "parallelism": 1 } }))
        .await
        .done();
    server
        .until("jobs/work", "less at work", |job| job["status"]["active"] == 1)
        .await;
    let pod = server.items("pods").await;
    let pod = pod
        .iter()
        .find(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .unwrap();
    let place = format!("pods/{}/status", text(&pod["metadata"]["name"]));
    server
        .merge(&place, json!({ "status": { "phase": "Succeeded" } }))
        .await
        .done();
    let next = |job: &Value| job["status"]["succeeded"] == 1 && job["status"]["active"] == 1;
    server.until("jobs/work", "at its next", next).await;
}

async fn a_job_fails_at_its_backoff_limit(server: &Server) {
    let mut bad = job("work", "crash-loop", json!(null));
    bad["spec"]["backoffLimit"] = json!(0);
    server.post("jobs", bad).await.done();
    let failed = server.until("jobs/work", "failed", |job| holds(job, "Failed")).await;
    assert_eq!(
        (&failed["status"]["failed"], &failed["status"]["active"]),
        (&json!(1), &Value::Null)
    );
    assert!(failed["status"]["completionTime"].is_null());
    for name in ["FailureTarget", "Failed"] {
        let condition = condition(&failed, name);
        assert_eq!(condition["reason"], "BackoffLimitExceeded");
        assert_eq!(condition["message"], "Job has reached the specified backoff limit");
    }
    let pods = server.items("pods").await;
    assert_eq!((pods.len(), text(&pods[0]["status"]["phase"])), (1, "Failed"));
}

async fn a_job_fails_at_its_deadline(server: &Server) {
    let mut late = endless("work");
    late["spec"]["activeDeadlineSeconds"] = json!(2);
    server.post("jobs", late).await.done();
    let failed = server.until("jobs/work", "failed", |job| holds(job, "Failed")).await;
    let condition = condition(&failed, "Failed");
    assert_eq!(condition["reason"], "DeadlineExceeded");
    assert_eq!(condition["message"], "Job was active longer than specified deadline");
    assert_eq!(failed["status"]["failed"], 1);
    eventually("its pod is gone", async || {
        server.items("pods").await.is_empty().then_some(())
    })
    .await;
}

async fn a_suspended_job_has_no_pods_until_it_is_resumed(server: &Server) {
    let mut idle = endless("work");
    idle["spec"]["suspend"] = json!(true);
    server.post("jobs", idle).await.done();
    let seen = server
        .until("jobs/work", "suspended", |job| holds(job, "Suspended"))
        .await;
    let suspended = condition(&seen, "Suspended");
    assert_eq!(
        (text(&suspended["reason"]), text(&suspended["message"])),
        ("JobSuspended", "Job suspended")
    );
    assert!(seen["status"]["startTime"].is_null());
    assert!(server.items("pods").await.is_empty());
    server
        .merge("jobs/work", json!({ "spec": { "suspend": false } }))
        .await
        .done();
    let seen = server
        .until("jobs/work", "at work", |job| job["status"]["ready"] == 1)
        .await;
    let resumed = condition(&seen, "Suspended");
    assert_eq!(
        (text(&resumed["status"]), text(&resumed["reason"])),
        ("False", "JobResumed")
    );
    assert!(!seen["status"]["startTime"].is_null());
    server
        .merge("jobs/work", json!({ "spec": { "suspend": true } }))
        .await
        .done();
    server
        .until("jobs/work", "suspended again", |job| holds(job, "Suspended"))
        .await;
    eventually("its pod is gone", async || {
        server.items("pods").await.is_empty().then_some(())
    })
    .await;
    assert!(server.get("jobs/work").await.done()["status"]["failed"].is_null());
}

async fn a_finished_job_goes_after_its_time(server: &Server) {
    let mut brief = quick("work");
    brief["spec"]["ttlSecondsAfterFinished"] = json!(1);
    server.post("jobs", brief).await.done();
    server.until_gone("jobs/work").await;
    eventually("its pod is gone", async || {
        server.items("pods").await.is_empty().then_some(())
    })
    .await;
}

async fn a_deleted_job_leaves_its_pods_unless_told_otherwise(server: &Server) {
    for name in ["left", "taken"] {
        server.post("jobs", quick(name)).await.done();
        server
            .until(&format!("jobs/{name}"), "complete", |job| holds(job, "Complete"))
            .await;
    }
    server.remove("jobs/left", None).await;
    server.until_gone("jobs/left").await;
    server.remove("jobs/taken", Some("Background")).await;
    server.until_gone("jobs/taken").await;
    eventually("the other's pod is gone", async || {
        (server.items("pods").await.len() == 1).then_some(())
    })
    .await;
    let pod = server.items("pods").await.remove(0);
    assert_eq!(pod["metadata"]["labels"]["job-name"], "left");
    assert!(pod["metadata"]["ownerReferences"].is_null());
}

async fn a_job_that_restarts_containers_completes_too(server: &Server) {
    let mut again = quick("work");
    again["spec"]["template"]["spec"]["restartPolicy"] = json!("OnFailure");
    server.post("jobs", again).await.done();
    let done = server
        .until("jobs/work", "complete", |job| holds(job, "Complete"))
        .await;
    assert_eq!(done["status"]["succeeded"], 1);
    // A running job that is deleted ends its pods, whose finalizer is its own.
    server.post("jobs", endless("other")).await.done();
    server
        .until("jobs/other", "at work", |job| job["status"]["ready"] == 1)
        .await;
    server.remove("jobs/other", Some("Foreground")).await;
    server.until_gone("jobs/other").await;
    assert!(server.items("pods?labelSelector=job-name%3Dother").await.is_empty());
}

async fn the_pods_of_a_job_never_change(server: &Server) {
    server.post("jobs", endless("work")).await.done();
    let image = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "c", "image": "other" }] } } } });
    let refused = server.merge("jobs/work", image).await;
    let (code, reason, message) = refused.refusal();
    assert_eq!(
        (code, reason, refused.fields()),
        (422, "Invalid", vec!["spec.template"])
    );
    assert!(
        message.starts_with("Job.batch \"work\" is invalid: spec.template: Invalid value: "),
        "{message}"
    );
    assert!(message.ends_with(": field is immutable"), "{message}");
    let refused = server.merge("jobs/work", json!({ "spec": { "completions": 5 } })).await;
    let message = "Job.batch \"work\" is invalid: spec.completions: Invalid value: 5: field is immutable";
    assert_eq!(refused.refusal(), (422, "Invalid", message));
    let changed =
        json!({ "spec": { "backoffLimit": 3, "ttlSecondsAfterFinished": 100, "activeDeadlineSeconds": 1000 } });
    server.merge("jobs/work", changed).await.done();
}

async fn a_wrong_job_is_refused_by_field(server: &Server) {
    let mut always = quick("work");
    always["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
    let refused = server.post("jobs", always).await;
    let message = "Job.batch \"work\" is invalid: spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \
                   \"Never\"";
    assert_eq!(refused.refusal(), (422, "Invalid", message));
    let mut less = quick("work");
    for name in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
    ] {
        less["spec"][name] = json!(-1);
    }
    let refused = server.post("jobs", less).await;
    let fields = [
        "spec.parallelism",
        "spec.completions",
        "spec.activeDeadlineSeconds",
        "spec.backoffLimit",
        "spec.ttlSecondsAfterFinished",
    ];
    assert_eq!((refused.refusal().0, refused.fields()), (422, fields.to_vec()));
    let mut own = quick("work");
    own["spec"]["selector"] = json!({ "matchLabels": { "a": "b" } });
    own["spec"]["template"]["metadata"] = json!({ "labels": { "a": "b" } });
    let refused = server.post("jobs", own).await;
    assert_eq!((refused.refusal().0, refused.fields()), (422, vec!["spec.selector"]));
    assert!(refused.refusal().2.ends_with("`selector` not auto-generated"));
}
