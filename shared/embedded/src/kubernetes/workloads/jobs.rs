//! Jobs: pods until enough have succeeded (kube-controller-manager's `pkg/controller/job` and `ttlafterfinished`).

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::garbage::Propagation;
use super::super::json::{cut, flag, int, items, put, stamp, text};
use super::super::machine::Machine;
use super::super::objects::Key;
use super::super::registry::{JOBS, PODS};
use super::conditions::{self, Said};
use super::{BURST, controller_uid, count, instant, is_deleted, pods, put_count};

/// Holds a pod until its Job has counted it.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// Pause after the first failed pod, and the longest; it doubles.
const BACK_OFF_SECONDS: (i64, i64) = (10, 600);
/// Before pods that were refused are tried again.
const RETRY: SignedDuration = SignedDuration::from_secs(5);

/// How a Job ends.
#[derive(Clone, Copy, Debug)]
struct End {
    /// `SuccessCriteriaMet` or `FailureTarget`, which come first.
    first: &'static str,
    /// `Complete` or `Failed`, once no pod is left that runs.
    last: &'static str,
    reason: &'static str,
    message: &'static str,
}

const COMPLETE: End = End {
    first: "SuccessCriteriaMet",
    last: "Complete",
    reason: "CompletionsReached",
    message: "Reached expected number of succeeded pods",
};
const TOO_OFTEN: End = End {
    first: "FailureTarget",
    last: "Failed",
    reason: "BackoffLimitExceeded",
    message: "Job has reached the specified backoff limit",
};
const TOO_LONG: End = End {
    first: "FailureTarget",
    last: "Failed",
    reason: "DeadlineExceeded",
    message: "Job was active longer than specified deadline",
};

/// The pods of a Job that are there to do something.
type Active = Vec<(Key, Arc<Value>)>;

impl Machine {
    pub(super) fn sync_job(&mut self, key: &Key) -> Option<Timestamp> {
        let job = self.objects.get(key).map(Arc::clone)?;
        if conditions::holds(&job["status"], COMPLETE.last) || conditions::holds(&job["status"], TOO_OFTEN.last) {
            return self.expire(key, &job);
        }
        let mut job = Value::clone(&job);
        self.count_finished(&mut job);
        let suspended = job["spec"]["suspend"] == true;
        if job["status"]["startTime"].is_null() && !suspended {
            job["status"]["startTime"] = stamp(self.now);
        }
        let mut active: Active = self
            .controlled(&job, PODS)
            .into_iter()
            .filter(|(_, pod)| pods::is_active(pod))
            .collect();
        let mut again = None;
        let mut end = self.end_of(&job, &active);
        if end.is_some_and(|end| end.last == "Failed") {
            for (pod, _) in active.drain(..) {
                self.delete_pod(JOBS, &job, &pod);
            }
        } else if end.is_none() {
            again = self.deadline_of(&job);
            if !is_deleted(&job) {
                let later = self.fill_job(&job, &mut active);
                again = [again, later].into_iter().flatten().min();
            }
            end = is_done(&job, active.len()).then_some(COMPLETE);
            if end.is_none() && !is_deleted(&job) {
                self.note_suspension(&mut job);
            }
        }
        self.write_job(key, job, &active, end);
        again
    }

    /// Counts the pods that are over, each once, and lets go of them.
    fn count_finished(&mut self, job: &mut Value) {
        let only_over = text(job, "/spec/podReplacementPolicy") == "Failed";
        for (key, pod) in self.controlled(job, PODS) {
            let field = match text(&pod, "/status/phase") {
                "Succeeded" => "succeeded",
                "Failed" => "failed",
                // A deleted pod may never come to an end that anybody sees.
                _ if is_deleted(&pod) && !only_over => "failed",
                _ => continue,
            };
            if is_tracked(&pod) {
                job["status"][field] = (count(&job["status"], &format!("/{field}")) + 1).into();
                self.untrack(&key);
            }
        }
    }

    /// Takes the finalizer off a pod.
    fn untrack(&mut self, key: &Key) {
        self.retain(key, "finalizers", |finalizer| finalizer != TRACKING);
    }

    /// Lets go of a pod that was a Job's and is nobody's any more.
    pub(super) fn free_of_job(&mut self, key: &Key) {
        let Some(pod) = self.objects.get(key) else { return };
        let is_owned = controller_uid(pod).is_some_and(|uid| self.objects.by_uid(uid).is_some());
        if !is_owned && is_tracked(pod) {
            self.untrack(key);
        }
    }

    /// How a Job is to end, when it is.
    fn end_of(&self, job: &Value, active: &Active) -> Option<End> {
        let (status, spec) = (&job["status"], &job["spec"]);
        if conditions::holds(status, COMPLETE.first) {
            return Some(COMPLETE);
        }
        if let Some(known) = conditions::find(status, TOO_OFTEN.first) {
            return Some(if text(known, "/reason") == TOO_LONG.reason {
                TOO_LONG
            } else {
                TOO_OFTEN
            });
        }
        let limit = count(spec, "/backoffLimit");
        let restarts: i64 = match text(spec, "/template/spec/restartPolicy") {
            "OnFailure" => active.iter().map(|(_, pod)| pods::restarts(pod)).sum(),
            _ => 0,
        };
        if count(status, "/failed") > limit || restarts >= limit.max(1) {
            return Some(TOO_OFTEN);
        }
        self.deadline_of(job)
            .filter(|deadline| *deadline <= self.now)
            .map(|_| TOO_LONG)
    }

    /// When a Job has been active for as long as it may.
    fn deadline_of(&self, job: &Value) -> Option<Timestamp> {
        let seconds = int(job, "/spec/activeDeadlineSeconds").filter(|_| job["spec"]["suspend"] != true)?;
        instant(job, "/status/startTime")?
            .checked_add(SignedDuration::from_secs(seconds))
            .ok()
    }

    /// Makes or deletes pods until as many run as are to, and says when to look again.
    fn fill_job(&mut self, job: &Value, active: &mut Active) -> Option<Timestamp> {
        let succeeded = count(job, "/status/succeeded");
        let parallel = count(job, "/spec/parallelism");
        let wanted = match int(job, "/spec/completions") {
            _ if flag(job, "/spec/suspend") == Some(true) => 0,
            Some(completions) => (completions - succeeded).clamp(0, parallel.max(0)),
            None if succeeded > 0 => i64::try_from(active.len()).unwrap_or(0),
            None => parallel,
        };
        let wanted = usize::try_from(wanted).unwrap_or(0);
        if active.len() > wanted {
            active.sort_by_cached_key(|(_, pod)| pods::rank(pod));
            let surplus = active.len() - wanted;
            for (pod, _) in active.drain(..surplus) {
                // It is the Job that ends it, so it does not count as failed.
                self.untrack(&pod);
                self.delete_pod(JOBS, job, &pod);
            }
            return None;
        }
        let owned = self.controlled(job, PODS);
        let leaving = match text(job, "/spec/podReplacementPolicy") {
            "Failed" => owned.iter().filter(|(_, pod)| pods::is_terminating(pod)).count(),
            _ => 0,
        };
        let lacking = wanted.saturating_sub(active.len() + leaving);
        if lacking == 0 {
            return None;
        }
        if let Some(until) = backed_off_until(owned.iter().map(|(_, pod)| &**pod)).filter(|until| *until > self.now) {
            return Some(until);
        }
        for _ in 0..lacking.min(BURST) {
            if self.make_pod(JOBS, job, &[TRACKING]).is_err() {
                return self.now.checked_add(RETRY).ok();
            }
        }
        None
    }

    fn note_suspension(&mut self, job: &mut Value) {
        let (status, reason, message) = match job["spec"]["suspend"] == true {
            true => ("True", "JobSuspended", "Job suspended"),
            false => ("False", "JobResumed", "Job resumed"),
        };
        let said = Said {
            name: "Suspended",
            status,
            reason,
            message,
        };
        if conditions::set_in_place(&mut job["status"], said, self.now) {
            let event = if status == "True" { "Suspended" } else { "Resumed" };
            self.record(job, "Normal", event, message, super::component(JOBS));
            if status == "False" {
                job["status"]["startTime"] = stamp(self.now);
            }
        }
    }

    /// Writes a Job with what was counted and how it ends. The last word waits for pods that are being deleted.
    fn write_job(&mut self, key: &Key, mut job: Value, active: &Active, end: Option<End>) {
        let owned = self.controlled(&job, PODS);
        let terminating = owned.iter().filter(|(_, pod)| pods::is_terminating(pod)).count();
        let ready = active
            .iter()
            .filter(|(_, pod)| pods::ready_since(pod).is_some())
            .count();
        cut(&mut job, "/status/active");
        put_count(&mut job["status"], "active", i64::try_from(active.len()).unwrap_or(0));
        put(&mut job, "/status/ready", ready);
        put(&mut job, "/status/terminating", terminating);
        put(&mut job, "/status/uncountedTerminatedPods", json!({}));
        if let Some(end) = end {
            let say = |name| Said {
                name,
                status: "True",
                reason: end.reason,
                message: end.message,
            };
            conditions::set_in_place(&mut job["status"], say(end.first), self.now);
            if terminating == 0 && active.is_empty() {
                conditions::set_in_place(&mut job["status"], say(end.last), self.now);
                let (kind, event, message) = match end.last == COMPLETE.last {
                    true => ("Normal", "Completed", "Job completed"),
                    false => ("Warning", end.reason, end.message),
                };
                if end.last == COMPLETE.last {
                    put(&mut job, "/status/completionTime", stamp(self.now));
                }
                self.record(&job, kind, event, message, super::component(JOBS));
            }
        }
        self.rewrite(key, job);
    }

    /// Deletes a finished Job once its time has come.
    fn expire(&mut self, key: &Key, job: &Value) -> Option<Timestamp> {
        self.count_late(job);
        let seconds = int(job, "/spec/ttlSecondsAfterFinished").filter(|_| !is_deleted(job))?;
        let ended = [COMPLETE.last, TOO_OFTEN.last]
            .iter()
            .find_map(|name| conditions::find(&job["status"], name))?;
        let until = instant(ended, "/lastTransitionTime")?
            .checked_add(SignedDuration::from_secs(seconds))
            .ok()?;
        if until > self.now {
            return Some(until);
        }
        self.propagate(key, Propagation::Foreground);
        self.retire(key, None);
        None
    }

    /// Lets go of pods that ended after their Job.
    fn count_late(&mut self, job: &Value) {
        for (key, pod) in self.controlled(job, PODS) {
            if !pods::is_active(&pod) {
                self.untrack(&key);
            }
        }
    }
}

/// Whether a pod waits for its Job to count it.
pub(in super::super) fn is_tracked(pod: &Value) -> bool {
    items(pod, "/metadata/finalizers").iter().any(|one| one == TRACKING)
}

/// Whether enough pods have succeeded, and none runs any more.
fn is_done(job: &Value, active: usize) -> bool {
    let succeeded = count(job, "/status/succeeded");
    let enough = int(job, "/spec/completions").map_or(succeeded > 0, |completions| succeeded >= completions);
    enough && active == 0
}

/// When the next pod may be made after those that failed since the last that succeeded.
fn backed_off_until<'a>(owned: impl Iterator<Item = &'a Value>) -> Option<Timestamp> {
    let mut finished: Vec<(Timestamp, bool)> = owned
        .filter(|pod| pods::is_over(pod))
        .filter_map(|pod| Some((pods::finished_at(pod)?, text(pod, "/status/phase") == "Failed")))
        .collect();
    finished.sort_unstable();
    let failures = finished.iter().rev().take_while(|(_, failed)| *failed).count();
    let (last, _) = finished.last().filter(|_| failures > 0)?;
    let (first, most) = BACK_OFF_SECONDS;
    let doubled = first.saturating_mul(1_i64 << (failures - 1).min(16)).min(most);
    last.checked_add(SignedDuration::from_secs(doubled)).ok()
}
