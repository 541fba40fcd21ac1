//! Paging with sealed cursors.

use api::Code;
use domain::limits::LIST_MAX;
use http::header;
use serde::Serialize;
use vault::cursor::{self, Binding};

use crate::{Call, Problem, Reply};

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageAsk {
    /// The most entries.
    pub limit: usize,
    /// The position after which to go on.
    pub after: Option<String>,
    filter: String,
}

impl Call {
    /// Reads `?limit=` and `?cursor=`. `filter` is what else narrows the list: a cursor is good for the same caller,
    /// route and filter only.
    ///
    /// # Errors
    /// 400 when the limit is out of range, or the cursor forged, stale or another list's.
    pub fn page(&self, default: usize, filter: &str) -> Result<PageAsk, Problem> {
        let limit = match self.query("limit") {
            None => default,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=LIST_MAX).contains(limit))
                .ok_or_else(|| {
                    Problem::new(
                        Code::MalformedRequest,
                        format!("'limit' is a whole number, 1 to {LIST_MAX}"),
                    )
                })?,
        };
        let after = match self.query("cursor") {
            None => None,
            Some(sealed) => {
                let opened = cursor::open(
                    self.edge.keyring()?,
                    &self.cursor_binding(filter, &self.caller.word()),
                    &sealed,
                    self.look().now,
                );
                Some(opened.map_err(|error| {
                    Problem::new(Code::BadCursor, "This cursor was not given out for this list and caller, or too long ago; begin again without it").because(error)
                })?)
            }
        };
        Ok(PageAsk {
            limit,
            after,
            filter: filter.to_owned(),
        })
    }

    /// The page as a plain array, with the next page's address in `Link` when there is one.
    ///
    /// # Errors
    /// 500 when it cannot be written, which is a bug.
    pub fn reply_page(&self, ask: &PageAsk, items: &impl Serialize, next: Option<&str>) -> Result<Reply, Problem> {
        let reply = Reply::ok(items)?;
        let Some(position) = next else {
            return Ok(reply);
        };
        let binding_caller = self.caller.word();
        let binding = self.cursor_binding(&ask.filter, &binding_caller);
        let sealed = cursor::seal(
            self.edge.keyring()?,
            &binding,
            &position,
            self.look().now,
            self.random()?,
        )
        .map_err(Problem::internal)?;
        let kept = form_urlencoded::parse(self.query.as_bytes()).filter(|(name, _)| name != "cursor");
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept)
            .append_pair("cursor", &sealed)
            .finish();
        reply.with_header(header::LINK, &format!("<{}?{query}>; rel=\"next\"", self.path))
    }

    fn cursor_binding<'a>(&self, filter: &'a str, caller: &'a str) -> Binding<'a> {
        Binding {
            caller,
            route: self.endpoint.id,
            filter,
        }
    }
}
