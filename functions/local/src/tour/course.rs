//! A course: its image on every node before it begins, spares for those who come first, and room for so many.

use http::Method;
use serde_json::json;

use super::{Tour, failed};
use crate::Error;

const COURSE: &str = "course";
/// How many may take part.
const SEATS: usize = 4;
/// How many find theirs started already.
const SPARES: usize = 3;
/// Runs of the reaper, a minute apart, in which spares and images are made ready.
const RUNS_MAX: usize = 8;

impl Tour<'_> {
    pub(super) async fn course(&mut self) -> Result<(), Error> {
        self.tell(format_args!(
            "\nA course of {SEATS}: a template with a quota, its image put on every node, {SPARES} of it started ahead."
        ));
        let template = json!({ "image-source": "layby/notebook:1", "quota": SEATS });
        let path = format!("/templates/{COURSE}");
        self.send(Method::PUT, &path, Some(&template), 200).await?;
        self.preloaded().await?;
        self.filled().await?;
        self.seated().await
    }

    async fn preloaded(&mut self) -> Result<(), Error> {
        let path = format!("/preload/{COURSE}");
        self.call(Method::POST, &path, 200).await?;
        for _ in 0..RUNS_MAX {
            self.advance(1).await?;
            self.reap().await?;
            let seen = self.call(Method::GET, &path, 200).await?;
            if seen["status"] == "completed" {
                return self.check(seen.get("error").is_none(), "every node has reported the image");
            }
        }
        Err(failed("the image comes to be on every node"))
    }

    async fn filled(&mut self) -> Result<(), Error> {
        let path = format!("/pools/{COURSE}");
        let size = json!({ "size": SPARES });
        self.send(Method::PUT, &path, Some(&size), 200).await?;
        for _ in 0..RUNS_MAX {
            self.advance(1).await?;
            self.reap().await?;
            let seen = self.call(Method::GET, &path, 200).await?;
            if seen["available"] == SPARES {
                return self.check(seen["running"] == 0, "spares count as nobody's");
            }
        }
        Err(failed("the pool fills up"))
    }

    async fn seated(&mut self) -> Result<(), Error> {
        self.tell("\nWhoever comes finds one that answers already, as long as there are spares.");
        for seat in 1..=SEATS {
            let id = self.launch(COURSE).await?;
            let path = format!("/applications/{COURSE}/{id}");
            let seen = self.call(Method::GET, &path, 200).await?;
            if seat <= SPARES {
                self.check(
                    seen["status"] == "deployed" && seen["location"].is_string(),
                    "it is deployed at once",
                )?;
            }
        }
        self.tell(format_args!(
            "\nThe {SEATS} seats are taken; one more is told when to come again."
        ));
        let path = format!("/applications/{COURSE}");
        let refused = self.call(Method::POST, &path, 429).await?;
        self.check(refused["type"] == "quotaExceeded", "it is the quota that refuses")?;
        self.advance(1).await?;
        self.reap().await?;
        let pool = self.call(Method::GET, &format!("/pools/{COURSE}"), 200).await?;
        self.check(pool["running"] == SEATS, "the pool tells how many are in use")
    }
}
