//! Who writes, by the options of a request and by its agent, and whether by force.

use super::machine::Machine;
use super::managers::Writer;
use super::request::Call;
use super::status::Cause;

/// Longest name of a manager, in bytes.
const MANAGER_MAX: usize = 128;
/// Media type of a server-side apply.
pub(super) const APPLY: &str = "application/apply-patch+yaml";

/// What is wrong with the writer that a create, replace or patch names.
pub(super) fn problems(call: &Call<'_>) -> Vec<Cause> {
    let manager = call.query.text("fieldManager");
    let mut causes = Vec::new();
    if call.content_type == APPLY {
        if manager.is_empty() {
            causes.push(Cause::required("fieldManager", "is required for apply patch"));
        }
    } else if !call.query.text("force").is_empty() {
        causes.push(Cause::forbidden("force", "may not be specified for non-apply patch"));
    }
    if manager.len() > MANAGER_MAX {
        let detail = format!("may not be more than {MANAGER_MAX} bytes");
        causes.push(Cause::too_long("fieldManager", &detail));
    }
    for (at, character) in manager.char_indices().filter(|(_, character)| !is_print(*character)) {
        let detail = format!("invalid character U+{:04X} (at position {at})", u32::from(character));
        causes.push(Cause::invalid("fieldManager", manager, &detail));
    }
    causes
}

/// The first part of a `User-Agent`, by which a writer is known that gives no name.
pub(super) fn agent_name(agent: &str) -> String {
    let mut name = String::new();
    for character in agent
        .split('/')
        .next()
        .unwrap_or("")
        .chars()
        .filter(|one| is_print(*one))
    {
        if name.len() + character.len_utf8() > MANAGER_MAX {
            break;
        }
        name.push(character);
    }
    name
}

impl Machine {
    /// Who writes by this call.
    pub(super) fn writer<'a>(&self, call: &'a Call<'_>) -> Writer<'a> {
        Writer {
            kind: call.kind(),
            manager: match call.query.text("fieldManager") {
                "" => &call.agent,
                manager => manager,
            },
            subresource: &call.subresource,
            at: self.now,
        }
    }
}

fn is_print(character: char) -> bool {
    character == ' ' || !(character.is_control() || character.is_whitespace())
}
