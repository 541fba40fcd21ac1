//! Who uses what, and when they did last: the truth that culls are held against.

use domain::{ApplicationId, Millis};
use fastrand::Rng;
use futures::{SinkExt, StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::plan::{Kind, Users};
use crate::{App, Http, Launched};

/// Uses under way at once.
const USERS: usize = 32;
/// How often somebody reports one use.
const REPORT_TRIES: usize = 4;
/// Of a hundred: who never uses what is theirs, and who stays when the others leave.
const FORGETFUL: u8 = 10;
const LOYAL: u8 = 25;
/// Of a hundred, in each round: who use what is theirs though there is time.
const EAGER: u8 = 4;
/// Of a hundred who have an idle application: who come back.
const RETURNING: u8 = 3;

/// An application, as its user knows it.
#[derive(Clone, Debug)]
pub struct Life {
    /// What the launch answered.
    pub launched: Launched,
    /// Its id.
    pub id: ApplicationId,
    /// Its template.
    pub kind: Kind,
    habit: Habit,
    way: Way,
    /// When it was used last; when it began to answer, if it never was.
    pub last_use: Timestamp,
    /// Inactivity after which it may be culled.
    pub cull_timeout: Millis,
    /// When its maximum age ends.
    pub old_at: Timestamp,
    /// What happened to it behind the installation's back.
    pub meddled: Option<Meddled>,
    /// Whether it was seen with a tombstone.
    pub ended: bool,
}

/// What happened to an application behind the installation's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meddled {
    /// Its pod was evicted, or its namespace deleted: it may fail.
    Killed,
    /// Its row was deleted: it may be adopted.
    Orphaned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    Never,
    UntilMostLeave,
    Loyal,
}

/// How somebody uses an application.
#[derive(Clone, Copy, Debug)]
enum Way {
    Page,
    Websocket,
    Report,
}

impl Life {
    /// The life of what was launched, with a habit and a way of use that `rng` draws.
    pub fn draw(launched: Launched, kind: Kind, deployed_at: Timestamp, rng: &mut Rng) -> Self {
        let habit = match rng.u8(0..100) {
            drawn if drawn < FORGETFUL => Habit::Never,
            drawn if drawn < LOYAL => Habit::Loyal,
            _ => Habit::UntilMostLeave,
        };
        let way = match rng.u8(0..10) {
            0..6 => Way::Page,
            6..8 => Way::Websocket,
            _ => Way::Report,
        };
        Self {
            id: ApplicationId::parse(&launched.id).expect("a launch answers with an id"),
            launched,
            habit,
            way,
            last_use: deployed_at,
            cull_timeout: kind.cull_timeout(),
            old_at: deployed_at + kind.max_age().duration(),
            kind,
            meddled: None,
            ended: false,
        }
    }

    /// When it has been idle for as long as it may.
    pub fn idle_at(&self) -> Timestamp {
        self.last_use + self.cull_timeout.duration()
    }

    /// Whether anybody ever uses it.
    pub fn is_regular(&self) -> bool {
        self.habit != Habit::Never
    }

    /// Whether its user is about to use it at `now`, when the next chance comes only after `gap`.
    fn is_used(&self, users: Users, now: Timestamp, gap: SignedDuration, rng: &mut Rng) -> bool {
        let just_in_time = self.idle_at() > now && self.idle_at() < now + gap;
        match (users, self.habit) {
            _ if self.ended || self.meddled == Some(Meddled::Killed) => false,
            (Users::Regulars, Habit::Never) => false,
            (Users::Regulars, _) => just_in_time || rng.u8(0..100) < EAGER,
            (_, Habit::Loyal) => just_in_time,
            (Users::Returning, _) => self.idle_at() < now && rng.u8(0..100) < RETURNING,
            (Users::Loyal, _) => false,
        }
    }
}

/// Everybody who means to uses what is theirs. Gives how many did, and the sentences of those who could not although
/// nothing had happened to their application.
pub async fn use_all(
    app: &App,
    lives: &mut [Life],
    users: Users,
    gap: SignedDuration,
    rng: &mut Rng,
) -> (usize, Vec<String>) {
    let now = app.now();
    let proxy = Http::new(&app.ready().proxy);
    let willing: Vec<usize> = (0..lives.len())
        .filter(|number| lives[*number].is_used(users, now, gap, rng))
        .collect();
    let uses: Vec<_> = willing
        .into_iter()
        .map(|number| use_one(app, proxy.clone(), number, lives[number].clone()))
        .collect();
    let mut used: Vec<(usize, Timestamp, Result<(), String>)> =
        stream::iter(uses).buffer_unordered(USERS).collect().await;
    used.sort_by_key(|(number, ..)| *number);
    let (mut count, mut refused) = (0, Vec::new());
    for (number, at, outcome) in used {
        let life = &mut lives[number];
        match outcome {
            Ok(()) => {
                life.last_use = at;
                count += 1;
            }
            // Without a row, nobody knows what reports its use.
            Err(_) if life.meddled == Some(Meddled::Orphaned) => {}
            Err(why) => refused.push(format!("{} could not be used: {why}", life.id)),
        }
    }
    (count, refused)
}

async fn use_one(app: &App, proxy: Http, number: usize, life: Life) -> (usize, Timestamp, Result<(), String>) {
    let at = app.now();
    let outcome = match life.way {
        Way::Page => {
            let page = proxy.get(&format!("/user/{}/", life.id)).await;
            expect(page.status.as_u16(), 200)
        }
        Way::Report => {
            let path = format!("{}/activity", life.launched.path());
            let report = || async { app.post(&path).key(&life.launched.token).await.status.as_u16() };
            let mut status = report().await;
            // Whom a busy table turns away asks again, as it is told to.
            for _ in 1..REPORT_TRIES {
                if status != 503 {
                    break;
                }
                status = report().await;
            }
            expect(status, 204)
        }
        Way::Websocket => {
            let host = app.ready().proxy.replacen("http", "ws", 1);
            say(&format!("{host}/user/{}/echo", life.id)).await
        }
    };
    (number, at, outcome)
}

fn expect(status: u16, wanted: u16) -> Result<(), String> {
    if status == wanted {
        Ok(())
    } else {
        Err(format!("it answered {status}"))
    }
}

/// Opens a websocket, says something, and waits for the echo.
async fn say(url: &str) -> Result<(), String> {
    let (mut socket, _) = connect_async(url).await.map_err(|error| error.to_string())?;
    let said = socket.send(Message::text("are you there?")).await;
    said.map_err(|error| error.to_string())?;
    let answer = socket.next().await.ok_or("the websocket was closed")?;
    answer.map_err(|error| error.to_string())?;
    // What the other side makes of the end is no matter.
    let _ = socket.close(None).await;
    Ok(())
}
