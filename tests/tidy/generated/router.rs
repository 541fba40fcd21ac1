//! The router of `cargo lambda watch`, which has no `$default` and answers a known path's other methods 404 itself.

use std::collections::BTreeMap;
use std::fmt::Write;

use api::{ENDPOINTS, FALLBACK};

/// The methods that the router can tell apart. Those that a path does not have go to `fallback`.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

/// The router's table, header included.
pub fn table() -> String {
    let mut paths: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for endpoint in ENDPOINTS {
        let Some((method, of)) = endpoint.http() else { continue };
        for path in of {
            paths.entry(path).or_default().insert(method.as_str(), endpoint.id);
        }
    }
    let fallback = FALLBACK.id;
    let mut text = format!("[workspace.metadata.lambda.watch.router]\n\"/\" = \"{fallback}\"\n");
    for (path, methods) in &paths {
        let _ = writeln!(text, "\"{path}\" = [");
        for method in METHODS {
            let function = methods.get(method).copied().unwrap_or(fallback);
            let _ = writeln!(text, "    {{ function = \"{function}\", method = \"{method}\" }},");
        }
        let _ = writeln!(text, "]\n\"{path}/\" = \"{fallback}\"");
    }
    let _ = writeln!(text, "\"/{{*rest}}\" = \"{fallback}\"");
    text
}
