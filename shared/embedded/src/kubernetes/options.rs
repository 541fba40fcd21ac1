//! Rules for the options of a request, in the words of the real server (apimachinery's `pkg/apis/meta`).

use http::Method;

use super::request::{Call, Query};
use super::status::{Cause, Refusal};
use super::writer;

const VALIDATIONS: [&str; 4] = ["", "Ignore", "Strict", "Warn"];

/// Refuses a request whose options contradict each other or say what there is not.
pub(super) fn check(call: &Call<'_>) -> Result<(), Refusal> {
    let (options, causes) = match *call.method {
        Method::GET if call.name.is_empty() && call.query.flag("watch") => ("ListOptions", watch(&call.query)),
        Method::GET if call.name.is_empty() => ("ListOptions", list(&call.query)),
        Method::POST => ("CreateOptions", write(call)),
        Method::PUT => ("UpdateOptions", write(call)),
        Method::PATCH => ("PatchOptions", write(call)),
        Method::DELETE => ("DeleteOptions", dry_run(&call.query)),
        _ => return Ok(()),
    };
    match causes.is_empty() {
        true => Ok(()),
        false => Err(Refusal::invalid_option(options, &causes)),
    }
}

/// What is wrong with a dry run that is asked for so.
pub(super) fn bad_dry_run(asked: &[String]) -> Option<Cause> {
    let known = asked.iter().all(|one| one == "All");
    (!known).then(|| Cause::unsupported_value("dryRun", &serde_json::json!(asked), &["All"]))
}

fn dry_run(query: &Query) -> Vec<Cause> {
    let asked: Vec<String> = query.all("dryRun").map(str::to_owned).collect();
    bad_dry_run(&asked).into_iter().collect()
}

fn write(call: &Call<'_>) -> Vec<Cause> {
    let mut causes = writer::problems(call);
    causes.extend(dry_run(&call.query));
    let asked = call.query.text("fieldValidation");
    if !VALIDATIONS.contains(&asked) {
        causes.push(Cause::unsupported("fieldValidation", asked, &VALIDATIONS));
    }
    causes
}

const MATCH: &str = "resourceVersionMatch";

fn list(query: &Query) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (version, how) = (query.text("resourceVersion"), query.text(MATCH));
    if !how.is_empty() {
        if version.is_empty() {
            let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            causes.push(Cause::forbidden(MATCH, detail));
        }
        causes.extend(continued(query));
        if !matches!(how, "Exact" | "NotOlderThan") {
            causes.push(Cause::unsupported(MATCH, how, &["Exact", "NotOlderThan", ""]));
        }
        if how == "Exact" && version == "0" {
            let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            causes.push(Cause::forbidden(MATCH, detail));
        }
    }
    if query.has("sendInitialEvents") {
        let detail = "sendInitialEvents is forbidden for list";
        causes.push(Cause::forbidden("sendInitialEvents", detail));
    }
    causes
}

fn watch(query: &Query) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (initial, how) = (query.has("sendInitialEvents"), query.text(MATCH));
    if initial && how != "NotOlderThan" {
        let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        causes.push(Cause::forbidden(MATCH, detail));
    }
    if how.is_empty() {
        return causes;
    }
    if !initial {
        let detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
        causes.push(Cause::forbidden(MATCH, detail));
    }
    if how != "NotOlderThan" {
        causes.push(Cause::unsupported(MATCH, how, &["NotOlderThan"]));
    }
    causes.extend(continued(query));
    causes
}

fn continued(query: &Query) -> Option<Cause> {
    let detail = "resourceVersionMatch is forbidden when continue is provided";
    query.has("continue").then(|| Cause::forbidden(MATCH, detail))
}
