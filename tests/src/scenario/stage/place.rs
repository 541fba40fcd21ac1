//! Where a script is played, and what only the one or the other place can do.

use std::time::Duration;

use local::{Identity, Options, Ready};
use tempfile::TempDir;

use super::Stage;
use crate::scenario::script::Step;
use crate::scenario::{Scale, Script, cluster, invariants};
use crate::{App, Installation};

/// Where a script is played.
pub(super) enum Place {
    /// In an installation of its own, in this process, with the folder of its data where the script keeps them.
    Here { app: App, data: Option<TempDir> },
    /// In one that was running before.
    There(Installation),
}

impl Stage {
    fn new(place: Place, scale: Scale) -> Self {
        let (named, sockets, broken) = Default::default();
        Self {
            place,
            scale,
            named,
            sockets,
            broken,
        }
    }

    /// Starts an installation for `script`.
    pub async fn of_its_own(script: &Script, scale: Scale) -> Self {
        let keeps = script.lines().iter().any(|line| line.step == Step::KeepData);
        let data = keeps.then(|| tempfile::tempdir().expect("a temporary folder"));
        let app = App::start(options(data.as_ref())).await;
        Self::new(Place::Here { app, data }, scale)
    }

    /// Prepares to play a script on an installation that was started for it in this process, on whatever parts.
    pub fn within(app: App, scale: Scale) -> Self {
        Self::new(Place::Here { app, data: None }, scale)
    }

    /// Prepares to play `script` on an installation that is running; nothing is started here.
    ///
    /// # Errors
    /// A sentence: a line needs the inside of the installation's process, its cluster cannot be looked into, or its
    /// clock cannot be wound and `scale` winds it.
    pub async fn at(ready: Ready, script: &Script, scale: Scale) -> Result<Self, String> {
        if let Some(line) = script.lines().iter().find(|line| line.step.needs_inside()) {
            return Err(format!(
                "line {} needs the inside of a process that was started elsewhere: {}",
                line.number, line.text
            ));
        }
        let installation = Installation::new(ready);
        cluster::client(&installation).await?;
        if scale == Scale::Wound {
            let answer = installation.post("/_local/advance?seconds=0").await;
            if answer.status != 200 {
                return Err(format!("the clock cannot be wound: {}", answer.text()));
            }
        }
        Ok(Self::new(Place::There(installation), scale))
    }

    /// Ends the play. An installation of its own is checked for what is left over or missing, and stopped; one that was
    /// running before is left as it is, because others may live there.
    ///
    /// # Panics
    /// When something is left over or missing.
    pub async fn end(self) {
        if let Place::Here { app, data } = self.place {
            invariants::at_rest(&app).await;
            app.stop().await;
            drop(data);
        }
    }

    /// Whether the installation was started for this play, so that its end can be checked.
    pub fn is_of_its_own(&self) -> bool {
        matches!(self.place, Place::Here { .. })
    }

    pub(super) fn installation(&self) -> &Installation {
        match &self.place {
            Place::Here { app, .. } => app,
            Place::There(installation) => installation,
        }
    }

    /// The installation's inside.
    pub(super) fn inside(&self) -> &App {
        match &self.place {
            Place::Here { app, .. } => app,
            Place::There(_) => panic!("this needs the inside of a process that was started elsewhere"),
        }
    }

    pub(super) async fn wind(&self, by: Duration) {
        match &self.place {
            Place::Here { app, .. } => app.advance(by).await,
            Place::There(installation) => {
                // From outside a clock is wound by whole seconds: rather a little too far than not far enough.
                let seconds = by.as_millis().div_ceil(1_000);
                let path = format!("/_local/advance?seconds={seconds}");
                installation.post(&path).await.expect(200);
            }
        }
    }

    /// The proxy begins again with an empty table, as after a restart of the real one.
    pub(super) fn forget_routes(&self) {
        let Place::Here {
            app,
            data: Some(folder),
        } = &self.place
        else {
            panic!("'keep data' comes first");
        };
        let identity = Identity::kept_in(folder.path(), &gateway::Entropy::system()).unwrap();
        let proxy = app.adapter().proxy().expect("the proxy is embedded");
        proxy.with_machine(|machine| *machine = embedded::proxy::Machine::new(identity.proxy_token));
    }
}

fn options(data: Option<&TempDir>) -> Options {
    Options {
        data: data.map(|folder| folder.path().to_owned()),
        ..Options::embedded()
    }
}

/// The same place with its process started again.
pub(super) async fn restarted(place: Place) -> Place {
    let Place::Here { app, data } = place else {
        panic!("what was started elsewhere is restarted there");
    };
    app.stop().await;
    let app = App::start(options(data.as_ref())).await;
    Place::Here { app, data }
}
