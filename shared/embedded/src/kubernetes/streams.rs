//! Watches on their way to callers: events as they happen, one line each.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};
use http::{HeaderValue, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::watch;
use tokio::time::Sleep;

use super::shell::Shared;
use super::watch::Watch;
use crate::serve::Connection;

/// Mechanical time between bookmarks of a watch.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// What the server answers with: whole, or a stream.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The events of a watch until its time is over, the history forgets it, or the server stops.
pub(super) fn answer(shared: Arc<Shared>, watch: Watch, connection: Connection) -> Response<Body> {
    let follower = Follower {
        revision: shared.revision.subscribe(),
        over: Box::pin(tokio::time::sleep(watch.timeout())),
        done: false,
        shared,
        watch,
        connection,
    };
    let batches = stream::unfold(follower, |mut follower| async move {
        let lines = follower.next().await?;
        Some((stream::iter(lines), follower))
    });
    let frames = batches.flatten().map(|line| Ok(Frame::data(line)));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// One watch on its way to a caller.
struct Follower {
    shared: Arc<Shared>,
    watch: Watch,
    revision: watch::Receiver<u64>,
    over: Pin<Box<Sleep>>,
    connection: Connection,
    done: bool,
}

impl Follower {
    /// The next lines; `None` at the end.
    async fn next(&mut self) -> Option<Vec<Bytes>> {
        loop {
            if self.done || self.watch.is_ended() {
                return None;
            }
            // Asked here too: a watch that always has something to read must end as well.
            if self.over.as_mut().now_or_never().is_some() {
                self.done = true;
                return self.watch.bookmark().map(|line| vec![line]);
            }
            self.revision.mark_unchanged();
            let lines = self.shared.machine().follow(&mut self.watch);
            if !lines.is_empty() {
                return Some(lines);
            }
            tokio::select! {
                changed = self.revision.changed() => self.done = changed.is_err(),
                () = self.connection.stopped() => return None,
                () = &mut self.over => {}
                () = tokio::time::sleep(BOOKMARK_EVERY) => {
                    if let Some(line) = self.watch.bookmark() {
                        return Some(vec![line]);
                    }
                }
            }
        }
    }
}
