//! What a simulated container does, which the name of its image decides.

use jiff::SignedDuration;
use serde_json::Value;

use super::json::{flag, int, items, text};

/// How long after it was given a node an ordinary pod accepts connections.
const USUAL: SignedDuration = SignedDuration::from_secs(1);
/// Longest wait that `slow-<n>s` and `dies-after-<n>s` may ask for, in seconds.
const SECONDS_MAX: u32 = 86_400;
/// Exit code of a crash loop that names none.
const CRASH_CODE: u8 = 1;
/// Exit code of a shell that may not run its command.
const DENIED_CODE: u8 = 126;
const DENIED: &str = "sh: 1: /usr/local/bin/start: Permission denied";

/// The life that a container leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Listens, from so long after the pod was given its node.
    Serve(SignedDuration),
    /// Listens, and is evicted a minute after it was ready.
    Evict,
    /// Listens, ends so long after it was first ready, and again after each of its next starts, until it is well again.
    Relapse(SignedDuration),
    /// Runs and listens on nothing.
    NeverReady,
    /// The image cannot be pulled.
    PullError,
    /// Does nothing, successfully, and ends half a second after its start.
    Finish,
    /// Ends soon after each start, with an exit code and perhaps last words in its termination log.
    Crash(u8, Option<&'static str>),
    /// Kubelet refuses to create it, for this reason.
    Refused(String),
}

/// The container whose image decides what becomes of the pod (its index), and how.
///
/// That is the first one with a switch; without one it is the first, which serves. The others simply run. `node` is the
/// pod's node, empty while it has none.
pub(super) fn plan(pod: &Value, node: &str) -> (usize, Plan) {
    let containers = items(pod, "/spec/containers");
    let found = containers
        .iter()
        .enumerate()
        .find_map(|(index, one)| Some((index, switch(pod, one, node)?)));
    let (index, plan) = found.unwrap_or_else(|| {
        let refusal = containers.iter().find_map(|container| root_by_number(pod, container));
        (0, refusal.map_or(Plan::Serve(USUAL), Plan::Refused))
    });
    // What these do, the image's own program does: another one runs in its place.
    let is_programs = matches!(
        plan,
        Plan::Serve(_) | Plan::Evict | Plan::Relapse(_) | Plan::NeverReady | Plan::Crash(..)
    );
    if is_programs && containers.get(index).is_some_and(|own| finishes(pod, own)) {
        return (index, Plan::Finish);
    }
    (index, plan)
}

/// Whether a container runs `true`, once.
fn finishes(pod: &Value, container: &Value) -> bool {
    matches!(text(pod, "/spec/restartPolicy"), "Never" | "OnFailure")
        && container["command"] == serde_json::json!(["true"])
}

fn switch(pod: &Value, container: &Value, node: &str) -> Option<Plan> {
    let name = image_name(text(container, "/image"));
    if name
        .strip_prefix("pull-error-on-")
        .is_some_and(|failing| failing == node)
    {
        return Some(Plan::PullError);
    }
    Some(match name {
        "never-ready" => Plan::NeverReady,
        "pull-error" => Plan::PullError,
        "evicted" => Plan::Evict,
        "needs-root" => needs_root(pod, container),
        "crash-loop" => Plan::Crash(CRASH_CODE, None),
        _ => {
            let code = name.strip_prefix("crash-loop-").and_then(|code| code.parse().ok());
            let code = code.map(|code| Plan::Crash(code, None));
            return code
                .or_else(|| seconds(name, "slow-").map(Plan::Serve))
                .or_else(|| seconds(name, "dies-after-").map(Plan::Relapse));
        }
    })
}

/// The n of `<word><n>s`.
fn seconds(name: &str, word: &str) -> Option<SignedDuration> {
    let seconds: u32 = name.strip_prefix(word)?.strip_suffix('s')?.parse().ok()?;
    (seconds <= SECONDS_MAX).then(|| SignedDuration::from_secs(i64::from(seconds)))
}

/// The last segment of an image's path, without tag and digest.
fn image_name(image: &str) -> &str {
    let path = image.split('@').next().unwrap_or("");
    let last = path.rsplit('/').next().unwrap_or("");
    last.split(':').next().unwrap_or("")
}

/// An image that says nothing of its user, so it is root, and that cannot run as anybody else.
fn needs_root(pod: &Value, container: &Value) -> Plan {
    match user(pod, container) {
        Some(0) | None if !non_root(pod, container) => Plan::Serve(USUAL),
        Some(0) => root_by_number(pod, container).map_or(Plan::NeverReady, Plan::Refused),
        None => Plan::Refused(format!(
            "container has runAsNonRoot and image will run as root ({})",
            place(pod, container)
        )),
        Some(_) => Plan::Crash(DENIED_CODE, Some(DENIED)),
    }
}

fn root_by_number(pod: &Value, container: &Value) -> Option<String> {
    let broken = non_root(pod, container) && user(pod, container) == Some(0);
    broken.then(|| {
        format!(
            "container's runAsUser breaks non-root policy ({})",
            place(pod, container)
        )
    })
}

fn place(pod: &Value, container: &Value) -> String {
    let (name, namespace, uid) = (
        text(pod, "/metadata/name"),
        text(pod, "/metadata/namespace"),
        text(pod, "/metadata/uid"),
    );
    format!(
        "pod: \"{name}_{namespace}({uid})\", container: {}",
        text(container, "/name")
    )
}

fn user(pod: &Value, container: &Value) -> Option<i64> {
    int(container, "/securityContext/runAsUser").or_else(|| int(pod, "/spec/securityContext/runAsUser"))
}

fn non_root(pod: &Value, container: &Value) -> bool {
    let own = flag(container, "/securityContext/runAsNonRoot");
    own.or_else(|| flag(pod, "/spec/securityContext/runAsNonRoot"))
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(image: &str) -> Plan {
        plan(&json!({"spec": {"containers": [{"name": "c", "image": image}]}}), "").1
    }

    #[test]
    fn the_last_segment_of_the_image_is_the_switch() {
        assert_eq!(of("never-ready"), Plan::NeverReady);
        assert_eq!(of("host:5000/team/pull-error:v1"), Plan::PullError);
        assert_eq!(of("crash-loop@sha256:00"), Plan::Crash(1, None));
        assert_eq!(of("x/crash-loop-137:latest"), Plan::Crash(137, None));
        assert_eq!(of("slow-30s"), Plan::Serve(SignedDuration::from_secs(30)));
        assert_eq!(of("evicted"), Plan::Evict);
        assert_eq!(of("dies-after-90s"), Plan::Relapse(SignedDuration::from_secs(90)));
    }

    #[test]
    fn names_that_only_resemble_a_switch_serve() {
        for image in [
            "never-ready-2",
            "pull-error/web",
            "crash-loop-x",
            "slow-s",
            "slow-99999999s",
            "nginx",
        ] {
            assert_eq!(of(image), Plan::Serve(USUAL), "{image}");
        }
    }

    #[test]
    fn an_image_that_needs_root_fails_by_the_user_it_is_given() {
        let pod = |context: Value| {
            let container = json!({"name": "c", "image": "needs-root"});
            plan(
                &json!({"spec": {"securityContext": context, "containers": [container]}}),
                "",
            )
            .1
        };
        assert_eq!(pod(json!({})), Plan::Serve(USUAL));
        assert!(matches!(pod(json!({"runAsNonRoot": true})), Plan::Refused(why) if why.contains("will run as root")));
        assert!(
            matches!(pod(json!({"runAsNonRoot": true, "runAsUser": 0})), Plan::Refused(why) if why.contains("breaks non-root"))
        );
        assert_eq!(
            pod(json!({"runAsNonRoot": true, "runAsUser": 1000})),
            Plan::Crash(126, Some(DENIED))
        );
    }
}
