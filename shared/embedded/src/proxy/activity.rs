//! What counts as use of a route.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::Shared;

/// One route's activity, to be recorded when data passes.
#[derive(Clone)]
pub(super) struct Activity {
    shared: Arc<Shared>,
    prefix: String,
}

impl Activity {
    pub(super) fn new(shared: Arc<Shared>, prefix: String) -> Activity {
        Activity { shared, prefix }
    }

    /// Records a use now.
    pub(super) fn touch(&self) {
        self.shared
            .with_machine(|machine, now| machine.touch(now, &self.prefix));
    }
}

/// A body on its way through, which records activity: a request's with each piece of data, an answer's when it is whole.
pub(super) struct Watched {
    body: Incoming,
    each: Option<Activity>,
    whole: Option<Activity>,
}

impl Watched {
    /// A request's body: a caller who sends is active.
    pub(super) fn request(body: Incoming, activity: Activity) -> Watched {
        Watched {
            body,
            each: Some(activity),
            whole: None,
        }
    }

    /// An answer's body; `activity` is given for an answer that counts. It is recorded once the body is whole, because
    /// that is when the real proxy does it.
    pub(super) fn answer(body: Incoming, activity: Option<Activity>) -> Watched {
        let mut watched = Watched {
            body,
            each: None,
            whole: activity,
        };
        // Nobody asks an empty body for its end.
        if watched.body.is_end_stream() {
            watched.ended();
        }
        watched
    }

    fn ended(&mut self) {
        if let Some(activity) = self.whole.take() {
            activity.touch();
        }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(_))) => {
                if let Some(activity) = &self.each {
                    activity.touch();
                }
                if self.body.is_end_stream() {
                    self.ended();
                }
            }
            Poll::Ready(None) => self.ended(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
