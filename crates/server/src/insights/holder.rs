//! Which process works on a job, so that a dead one need not be waited for.
//!
//! A lease runs out by itself; that is what holds everywhere. On the same
//! machine it can be known sooner: a process is gone for sure if its number is
//! unused, or used by one that started at another time. Whatever cannot be
//! known (another machine, another container, another system) counts as alive.

use assay_domain::job::Holder;

/// This process; `None` where the system does not say enough to tell it from others.
#[cfg(target_os = "linux")]
pub(super) fn this_process() -> Option<Holder> {
    let process = std::process::id();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let (_, started) = stat(process)?;
    Some(Holder { boot: boot.trim().parse().ok()?, namespace: namespace()?, process, started })
}

/// Whether the process is known to have ended.
#[cfg(target_os = "linux")]
pub(super) fn is_gone(holder: &Holder) -> bool {
    let Some(own) = this_process() else { return false };
    if (own.boot, own.namespace) != (holder.boot, holder.namespace) {
        return false;
    }
    let number = i32::try_from(holder.process).ok().and_then(rustix::process::Pid::from_raw);
    let Some(number) = number else { return false };
    // Unlike a missing file of /proc, this tells one that is hidden from us from one that is not there.
    if rustix::process::test_kill_process(number) == Err(rustix::io::Errno::SRCH) {
        return true;
    }
    stat(holder.process).is_some_and(|(state, started)| started != holder.started || "ZX".contains(&state))
}

/// Numbers of processes mean something within one of these.
#[cfg(target_os = "linux")]
fn namespace() -> Option<u64> {
    let link = std::fs::read_link("/proc/self/ns/pid").ok()?;
    link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

/// The state of a process (Z once it has ended, while its parent was not told yet) and when it
/// started, in ticks since the machine did.
#[cfg(target_os = "linux")]
fn stat(process: u32) -> Option<(String, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold anything; what follows its last parenthesis begins with the third field.
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    Some(((*fields.first()?).to_owned(), fields.get(19)?.parse().ok()?))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn this_process() -> Option<Holder> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_gone(_: &Holder) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_a_process_of_this_machine_that_has_ended_is_gone() {
        let own = this_process().expect("this process");
        assert!(!is_gone(&own));
        assert!(is_gone(&Holder { started: own.started + 1, ..own }), "the number has another owner");
        let mut child = std::process::Command::new("true").spawn().expect("a process");
        let ended = Holder { process: child.id(), ..own };
        // Its parent need not have taken note.
        let waiting = std::time::Instant::now();
        while !is_gone(&Holder { started: stat(child.id()).expect("a child").1, ..ended }) {
            assert!(waiting.elapsed() < std::time::Duration::from_secs(20));
            std::thread::yield_now();
        }
        child.wait().expect("its end");
        assert!(is_gone(&ended));
        for elsewhere in [Holder { boot: Uuid::nil(), ..ended }, Holder { namespace: 1, ..ended }] {
            assert!(!is_gone(&elsewhere), "of others nothing is known");
        }
    }
}
