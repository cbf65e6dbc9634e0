//! Whose turn it is to write, when several processes share a store.
//!
//! SQLite lets one transaction write at a time, but who waits for it only
//! looks from time to time, and never finds a gap while another process
//! commits without pause. Two locked files make a fair queue: whoever wants to
//! write holds the place at the door (`next`) until the room (`lock`) is free,
//! so nobody enters twice while somebody waits. Locks end with their process.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

const ROOM: &str = "lock";
const DOOR: &str = "next";

/// So long a process waits for its turn.
const PATIENCE: Duration = Duration::from_secs(30);
const SHORTEST_NAP: Duration = Duration::from_micros(50);
const LONGEST_NAP: Duration = Duration::from_millis(5);

/// The two files.
#[derive(Debug)]
pub(crate) struct Turnstile {
    room: File,
    door: File,
}

/// A turn; it ends when this goes.
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a Turnstile);

impl Turnstile {
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let open = |name: &str| {
            let path = dir.join(name);
            let file =
                fs_err::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
            file.map(|file| file.into_parts().0).map_err(|source| super::io("open", dir, source))
        };
        Ok(Self { room: open(ROOM)?, door: open(DOOR)? })
    }

    /// Waits until no other process writes. [`Error::Busy`] if that takes too long.
    pub(crate) fn enter(&self, dir: &Path) -> Result<Turn<'_>, Error> {
        let until = Instant::now() + PATIENCE;
        wait(&self.door, until, dir)?;
        let entered = wait(&self.room, until, dir);
        let left = self.door.unlock();
        entered?;
        let turn = Turn(self);
        left.map_err(|source| super::io("unlock", dir, source))?;
        Ok(turn)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // A lock that cannot be given back ends with the process.
        let _ = self.0.room.unlock();
    }
}

fn wait(file: &File, until: Instant, dir: &Path) -> Result<(), Error> {
    let mut nap = SHORTEST_NAP;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(source)) => return Err(super::io("lock", dir, source)),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                return Err(Error::Busy { dir: dir.to_owned() });
            }
            Err(TryLockError::WouldBlock) => thread::sleep(nap),
        }
        nap = (nap * 2).min(LONGEST_NAP);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn nobody_enters_twice_while_somebody_waits() {
        let dir = tempfile::tempdir().expect("a directory");
        // Each opens the files anew, as another process would.
        let turnstile = || Turnstile::open(dir.path()).expect("files");
        let (greedy, patient) = (turnstile(), turnstile());
        let turns = AtomicUsize::new(0);
        thread::scope(|scope| {
            let mut turn = Some(greedy.enter(dir.path()).expect("a turn"));
            let waiting = scope.spawn(|| {
                let _turn = patient.enter(dir.path()).expect("a turn");
                turns.load(Ordering::SeqCst)
            });
            while !waiting.is_finished() && turns.load(Ordering::SeqCst) < 100_000 {
                // It commits without pause.
                turns.fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(1));
                drop(turn.take());
                turn = Some(greedy.enter(dir.path()).expect("a turn"));
            }
            drop(turn);
            assert!(waiting.join().expect("no panic") < 1_000, "a writer starved");
        });
    }
}
