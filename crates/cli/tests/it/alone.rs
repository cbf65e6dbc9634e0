//! Nothing leaves by itself: reports where there is no network at all.

use std::process::{Command, Stdio};

use crate::support::{Place, binary, histories, wait};

/// A command inside a network namespace of its own: no routes, no devices that are up.
fn cut_off() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "--"]);
    command
}

/// Whether the kernel lets us have such a place.
fn may_cut_off() -> Result<(), String> {
    let tried = cut_off().arg("true").stdin(Stdio::null()).output();
    let tried = tried.map_err(|error| format!("unshare cannot be run: {error}"))?;
    if tried.status.success() {
        return Ok(());
    }
    Err(format!("the kernel refuses: {}", String::from_utf8_lossy(&tried.stderr).trim()))
}

#[test]
fn the_local_tier_needs_no_network() {
    if let Err(reason) = may_cut_off() {
        // The checks before a merge must see it; whatever refuses there is to be mended there.
        assert!(
            std::env::var_os("CI").is_none(),
            "`unshare --user --net` is needed to show that nothing leaves: {reason}"
        );
        eprintln!("skipped: {reason}");
        return;
    }
    let place = Place::new();
    place.write("traces.jsonl", histories(60).join("\n"));
    let mut routes = cut_off();
    routes.args(["cat", "/proc/net/route"]);
    place.prepare(&mut routes);
    let seen = wait(routes.spawn().expect("cat"), "cat /proc/net/route").ok();
    // A heading at most; some kernels leave it out.
    assert!(seen.out().lines().count() <= 1, "there are routes: {}", seen.out());
    for focus in ["usage", "errors"] {
        let line = format!("report traces.jsonl --focus {focus} --json --no-files");
        let mut command = cut_off();
        command.arg(binary()).args(line.split(' '));
        place.prepare(&mut command);
        let without = wait(command.spawn().expect("unshare"), &line).ok();
        let with = place.assay(&line).ok();
        assert_eq!(without.stdout, with.stdout, "the same report with and without a network");
    }
}
