//! `/applications`.

mod launch;
mod list;
mod read;
mod stop;

pub use list::next;
