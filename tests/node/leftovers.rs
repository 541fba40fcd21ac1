//! What is left of a node when whoever started it is killed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tests::in_time;
use tokio::time::sleep;

/// A test that starts a node and has something run there.
const TEST: &str = "failures::what_may_have_root_has_it";
/// Between two looks.
const PACE: Duration = Duration::from_millis(500);
/// Looks until it runs, or is gone.
const LOOKS_MAX: usize = 360;

/// The name of the node that a process has started: an argument of a process whose parent, the watchdog, is its child.
fn node_of(starter: u32) -> Option<String> {
    let processes = fs::read_dir("/proc").unwrap();
    let mut ids = processes.filter_map(|one| one.ok()?.file_name().to_str()?.parse::<u32>().ok());
    ids.find_map(|id| {
        let command = fs::read_to_string(format!("/proc/{id}/cmdline")).ok()?;
        let node = command.split('\0').skip_while(|word| *word != "start").nth(1)?;
        (parent(parent(id)?)? == starter).then(|| node.to_owned())
    })
}

fn parent(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    parent.trim().parse().ok()
}

/// The control groups of a node.
fn groups(node: &str) -> Vec<PathBuf> {
    let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap();
    let hierarchies = hierarchies
        .map(|one| one.unwrap().path())
        .chain([PathBuf::from("/sys/fs/cgroup")]);
    let own = hierarchies.map(|hierarchy| hierarchy.join(node));
    own.filter(|group| group.is_dir()).collect()
}

/// The processes below a control group.
fn processes(group: &Path) -> BTreeSet<u32> {
    let own = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let mut all: BTreeSet<u32> = own.lines().filter_map(|id| id.parse().ok()).collect();
    let below = fs::read_dir(group)
        .into_iter()
        .flatten()
        .filter_map(|one| Some(one.ok()?.path()));
    for group in below.filter(|path| path.is_dir()) {
        all.extend(processes(&group));
    }
    all
}

/// What there is of a node on this machine.
fn left(node: &str, running: &BTreeSet<u32>) -> Vec<String> {
    let mut places: Vec<PathBuf> = groups(node);
    places.push(Path::new("/run/netns").join(node));
    places.push(Path::new("/sys/class/net").join(node));
    places.extend(running.iter().map(|id| PathBuf::from(format!("/proc/{id}"))));
    let there = places.iter().filter(|place| place.exists());
    there.map(|place| place.display().to_string()).collect()
}

#[tokio::test]
async fn nothing_is_left_of_a_node_whose_starter_was_killed() {
    in_time(async {
        let itself = std::env::current_exe().unwrap();
        let mut starter = Command::new(itself)
            .args(["--exact", TEST])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut found = None;
        for _ in 0..LOOKS_MAX {
            let node = node_of(starter.id());
            let running = |node: &String| {
                groups(node)
                    .iter()
                    .flat_map(|group| processes(group))
                    .collect::<BTreeSet<_>>()
            };
            found = node
                .map(|node| (running(&node), node))
                .filter(|(running, _)| running.len() > 1);
            if found.is_some() {
                break;
            }
            sleep(PACE).await;
        }
        let there = found.as_ref().map(|(running, node)| left(node, running));
        starter.kill().unwrap();
        starter.wait().unwrap();
        let (running, node) = found.expect("the node runs something");
        let there = there.unwrap_or_default();
        for place in ["/run/netns", "/sys/class/net"] {
            assert!(there.contains(&format!("{place}/{node}")), "{there:?}");
        }
        for _ in 0..LOOKS_MAX {
            if left(&node, &running).is_empty() {
                return;
            }
            sleep(PACE).await;
        }
        panic!("left of {node}: {:?}", left(&node, &running));
    })
    .await;
}
