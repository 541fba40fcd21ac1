//! Who may call: API keys, made, listed and revoked by an operator.

mod key_create;
mod key_delete;
mod key_list;

use gateway::{Route, route};

/// `POST /keys`.
pub static KEY_CREATE: Route = route!(api::KEY_CREATE, key_create::create);
/// `GET /keys`.
pub static KEY_LIST: Route = route!(api::KEY_LIST, key_list::list);
/// `DELETE /keys/{name}`.
pub static KEY_DELETE: Route = route!(api::KEY_DELETE, key_delete::delete);

/// Every endpoint of this room.
pub static ROUTES: &[&Route] = &[&KEY_CREATE, &KEY_LIST, &KEY_DELETE];
