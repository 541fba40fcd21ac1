//! The one log line of a request.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use lifecycle::Meter;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// One structured line a request. It carries the route key and never the path, because paths hold names and ids; no
/// header, query or body ever comes here.
#[derive(Clone, Debug, Serialize)]
pub struct LogLine {
    /// `INFO`, `WARN` for what the caller got wrong, `ERROR` for what we did.
    pub level: &'static str,
    /// The function.
    pub function: &'static str,
    /// The route key, such as `GET /applications/{template}`.
    pub route: String,
    /// The request's id, also in the answer's `x-request-id`.
    pub request_id: String,
    /// The HTTP status.
    pub status: u16,
    /// The problem's code, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Who called: a key's name, never the key.
    pub caller: String,
    /// From the event to the answer.
    pub duration_ms: u64,
    /// Requests to DynamoDB.
    pub store_calls: u64,
    /// Requests to Kubernetes.
    pub cluster_calls: u64,
    /// Calls to clusters that can be leased, retries included.
    pub leased_calls: u64,
    /// Requests to the route proxy.
    pub proxy_calls: u64,
    /// Requests to the external template registry.
    pub outside_calls: u64,
    /// The chain of causes, for those who run this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What failed on the way without failing the request: a cluster that did not answer, a route that stayed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Figures in CloudWatch's embedded metric format.
    #[serde(flatten)]
    pub metrics: Map<String, Value>,
}

/// Where log lines go.
pub type LogSink = Arc<dyn Fn(&LogLine) + Send + Sync>;

/// A figure for CloudWatch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Its value.
    pub value: f64,
}

/// A unit, as CloudWatch names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// A duration.
    Milliseconds,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Unit::Count => "Count",
            Unit::Milliseconds => "Milliseconds",
        }
    }
}

/// The most values of one figure in one line; the format's own limit.
const VALUES_MAX: usize = 100;

/// `metrics` in the embedded metric format, under the namespace `layby` and the dimension `Installation`. What is
/// counted more than once is added up; of durations each is kept, up to [`VALUES_MAX`].
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
pub(crate) fn embedded_metrics(metrics: &[Metric], installation: &str, at_ms: i64) -> Map<String, Value> {
    let mut fields = Map::new();
    if metrics.is_empty() {
        return fields;
    }
    let mut by_name: BTreeMap<&'static str, (Unit, Vec<f64>)> = BTreeMap::new();
    for metric in metrics {
        by_name
            .entry(metric.name)
            .or_insert((metric.unit, Vec::new()))
            .1
            .push(metric.value);
    }
    let names: Vec<Value> = by_name
        .iter()
        .map(|(name, (unit, _))| json!({"Name": name, "Unit": unit.as_str()}))
        .collect();
    let directive = json!({"Namespace": "layby", "Dimensions": [["Installation"]], "Metrics": names});
    fields.insert(
        "_aws".into(),
        json!({"Timestamp": at_ms, "CloudWatchMetrics": [directive]}),
    );
    fields.insert("Installation".into(), installation.into());
    fields.extend(
        by_name
            .into_iter()
            .map(|(name, (unit, values))| (name.to_owned(), told(unit, values))),
    );
    fields
}

fn told(unit: Unit, mut values: Vec<f64>) -> Value {
    match unit {
        Unit::Count => json!(values.iter().sum::<f64>()),
        Unit::Milliseconds if values.len() == 1 => json!(values[0]),
        Unit::Milliseconds => {
            values.truncate(VALUES_MAX);
            json!(values)
        }
    }
}

/// What was counted on the way, as figures.
pub(crate) fn metered(meter: &Meter) -> impl Iterator<Item = Metric> {
    meter.counted().into_iter().map(|(figure, value)| Metric {
        name: figure.name(),
        unit: if figure.is_duration() {
            Unit::Milliseconds
        } else {
            Unit::Count
        },
        value,
    })
}

/// Writes each line to standard output as JSON, which is where CloudWatch Logs reads it.
pub(crate) fn to_stdout() -> LogSink {
    Arc::new(|line| {
        if let Ok(text) = serde_json::to_string(line) {
            let _ = writeln!(std::io::stdout().lock(), "{text}");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_twice_is_added_up_and_durations_stay_apart() {
        let meter = Meter::default();
        let counting = async {
            for took in [5.0, 7.0] {
                lifecycle::count(domain::Figure::LaunchesDeployed, 1.0);
                lifecycle::count(domain::Figure::TimeToLocation, took);
            }
        };
        futures::executor::block_on(lifecycle::metered(meter.clone(), counting));
        let metrics: Vec<Metric> = metered(&meter).collect();
        let fields = embedded_metrics(&metrics, "prod", 1);
        assert_eq!(fields["LaunchesDeployed"], 2.0);
        assert_eq!(fields["TimeToLocation"], json!([5.0, 7.0]));
        assert_eq!(
            fields["_aws"]["CloudWatchMetrics"][0]["Metrics"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
    }

    #[test]
    fn figures_stand_in_the_line_as_cloudwatch_reads_them() {
        let fields = embedded_metrics(
            &[Metric {
                name: "ReaperLag",
                unit: Unit::Milliseconds,
                value: 12.0,
            }],
            "dev",
            7,
        );
        assert_eq!(
            Value::Object(fields),
            json!({
                "_aws": {"Timestamp": 7, "CloudWatchMetrics": [
                    {"Namespace": "layby", "Dimensions": [["Installation"]], "Metrics": [{"Name": "ReaperLag", "Unit": "Milliseconds"}]}]},
                "Installation": "dev",
                "ReaperLag": 12.0,
            })
        );
    }
}
