//! Scripts as they are written.

use std::time::Duration;

use jiff::SignedDuration;

/// One sentence of a script.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    KeepData,
    Template(String, Vec<(String, String)>),
    DeleteTemplate(String),
    NoLaunch(String),
    NoRoom(String),
    Pool(String, u32),
    DeletePool(String),
    ExpectPool(String, Vec<(String, String)>),
    ReapUntilPool(String, Vec<(String, String)>),
    Launch(String, String, Vec<(String, String)>),
    Read(String),
    Wait(String, String),
    Open(String),
    Connect(String),
    Say(String),
    Stop(String, Credential),
    Advance(Duration),
    Reap,
    ReapUntilQuiet,
    Expect(String, Expected),
    List(String, Vec<String>),
    Gone(String),
    Break(net::Peer),
    Mend(net::Peer),
    Evict(String),
    DeleteNamespace(String),
    ForgetRoutes,
    Restart,
}

/// With what somebody stops an application.
#[derive(Clone, Debug, PartialEq)]
pub enum Credential {
    Key,
    Token,
    WrongKey,
    TokenOf(String),
}

/// What an application is listed with.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    pub status: String,
    pub phase: Option<String>,
    pub reason: Option<String>,
}

/// A line of a script that says something.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// As it is written.
    pub text: String,
    pub(super) step: Step,
}

/// A script whose every line is understood.
#[derive(Clone, Debug)]
pub struct Script(Vec<Line>);

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// A sentence that names the first line that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).zip(1..);
        let said = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
        let read = |(line, number): (&str, usize)| {
            let step = step(line).ok_or_else(|| format!("line {number} is no sentence: {line}"))?;
            let text = line.to_owned();
            Ok(Line { number, text, step })
        };
        said.map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Its lines, in order, without comments and empty ones.
    pub fn lines(&self) -> &[Line] {
        &self.0
    }
}

impl Step {
    /// Whether it reaches behind an installation's API, which only the process that the installation runs in can do.
    pub(super) fn needs_inside(&self) -> bool {
        matches!(
            self,
            Step::KeepData | Step::Break(_) | Step::Mend(_) | Step::ForgetRoutes | Step::Restart
        )
    }
}

/// A duration as scripts write it, such as `61m`.
pub fn duration(text: &str) -> Option<Duration> {
    let signed: SignedDuration = text.parse().ok()?;
    signed.try_into().ok()
}

fn step(line: &str) -> Option<Step> {
    let (sentence, reason) = match line.split_once(" reason ") {
        Some((sentence, quoted)) => (sentence, Some(quoted.strip_prefix('"')?.strip_suffix('"')?.to_owned())),
        None => (line, None),
    };
    let words: Vec<&str> = sentence.split_whitespace().collect();
    let own = |word: &&str| (*word).to_owned();
    Some(match words.as_slice() {
        ["expect", "pool", name, fields @ ..] if reason.is_none() => Step::ExpectPool(own(name), pairs(fields)?),
        ["expect", name, status] => Step::Expect(own(name), expected(status, None, reason)),
        ["expect", name, status, "phase", phase] => Step::Expect(own(name), expected(status, Some(phase), reason)),
        _ if reason.is_some() => return None,
        ["keep", "data"] => Step::KeepData,
        ["template", name, fields @ ..] => Step::Template(own(name), pairs(fields)?),
        ["delete", "template", name] => Step::DeleteTemplate(own(name)),
        ["no", "launch", "of", name] => Step::NoLaunch(own(name)),
        ["no", "room", "for", name] => Step::NoRoom(own(name)),
        ["pool", name, size] => Step::Pool(own(name), size.strip_prefix("size=")?.parse().ok()?),
        ["delete", "pool", "of", name] => Step::DeletePool(own(name)),
        ["reap", "until", "pool", name, fields @ ..] => Step::ReapUntilPool(own(name), pairs(fields)?),
        ["launch", template, "as", name, fields @ ..] => Step::Launch(own(template), own(name), pairs(fields)?),
        ["read", name] => Step::Read(own(name)),
        ["wait", name, status] => Step::Wait(own(name), own(status)),
        ["open", name] => Step::Open(own(name)),
        ["connect", name] => Step::Connect(own(name)),
        ["say", name] => Step::Say(own(name)),
        ["stop", name, "with", "key"] => Step::Stop(own(name), Credential::Key),
        ["stop", name, "with", "token"] => Step::Stop(own(name), Credential::Token),
        ["stop", name, "with", "a", "wrong", "key"] => Step::Stop(own(name), Credential::WrongKey),
        ["stop", name, "with", "the", "token", "of", other] => Step::Stop(own(name), Credential::TokenOf(own(other))),
        ["advance", by] => Step::Advance(duration(by)?),
        ["reap"] => Step::Reap,
        ["reap", "until", "quiet"] => Step::ReapUntilQuiet,
        ["list", status, names @ ..] => Step::List(own(status), names.iter().map(own).collect()),
        ["gone", name] => Step::Gone(own(name)),
        ["break", part] => Step::Break(peer(part)?),
        ["mend", part] => Step::Mend(peer(part)?),
        ["evict", name] => Step::Evict(own(name)),
        ["delete", "namespace", "of", name] => Step::DeleteNamespace(own(name)),
        ["forget", "routes"] => Step::ForgetRoutes,
        ["restart"] => Step::Restart,
        _ => return None,
    })
}

fn expected(status: &str, phase: Option<&str>, reason: Option<String>) -> Expected {
    Expected {
        status: status.to_owned(),
        phase: phase.map(str::to_owned),
        reason,
    }
}

fn pairs(words: &[&str]) -> Option<Vec<(String, String)>> {
    let pair = |word: &&str| {
        word.split_once('=')
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    words.iter().map(pair).collect()
}

fn peer(part: &str) -> Option<net::Peer> {
    match part {
        "cluster" => Some(net::Peer::Cluster),
        "proxy" => Some(net::Peer::Proxy),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_mean_what_they_say_and_others_are_refused() {
        let expected = Expected {
            status: "deleted".into(),
            phase: Some("ended".into()),
            reason: Some("Culled for".into()),
        };
        let line = "expect a deleted phase ended reason \"Culled for\"";
        assert_eq!(step(line), Some(Step::Expect("a".into(), expected)));
        assert_eq!(step("advance 1h 1m"), None);
        assert_eq!(step("advance 61m"), Some(Step::Advance(Duration::from_secs(3660))));
        assert_eq!(step("reap reason \"x\""), None);
        assert_eq!(step("stop a with nothing"), None);
    }

    #[test]
    fn a_line_that_is_no_sentence_is_named() {
        let script = Script::parse("# a comment\n\n  reap\n").unwrap();
        assert_eq!(script.lines().len(), 1);
        assert_eq!((script.lines()[0].number, script.lines()[0].text.as_str()), (3, "reap"));
        let refused = Script::parse("reap\nreap twice").unwrap_err();
        assert_eq!(refused, "line 2 is no sentence: reap twice");
    }
}
