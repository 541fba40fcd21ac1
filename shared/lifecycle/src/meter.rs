//! Counting what happens, for whoever runs the installation.

use std::sync::{Arc, Mutex, PoisonError};

use domain::{Application, Figure, figures};

tokio::task_local! {
    static CURRENT: Meter;
}

/// What one request or run counted.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<Vec<(Figure, f64)>>>);

impl Meter {
    /// What was counted so far, in the order in which it was.
    pub fn counted(&self) -> Vec<(Figure, f64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Does `work`, counting with `meter` what happens in it. A spawned task does not inherit it.
pub async fn metered<F: Future>(meter: Meter, work: F) -> F::Output {
    CURRENT.scope(meter, work).await
}

/// Counts `figure` for the request or run in which this is called; outside any, it is not counted.
pub fn count(figure: Figure, value: f64) {
    let _ = CURRENT.try_with(|meter| {
        let mut counted = meter.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.push((figure, value));
    });
}

/// Counts what the change from `before` to `after`, just written, means.
pub(crate) fn count_change(before: &Application, after: &Application) {
    for (figure, value) in figures(before, after) {
        count(figure, value);
    }
}
