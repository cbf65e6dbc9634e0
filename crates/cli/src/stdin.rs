//! Standard input that Ctrl-C can interrupt.
//!
//! A read of an idle pipe or terminal would otherwise only end with the
//! process, and nobody would hear what became of the work. A read that was
//! interrupted fails; whoever asked for it says what was kept.

use std::io::{self, Read};

use crate::cancel;

/// Opens standard input without a buffer: what is not read here stays for the next reader.
///
/// # Errors
/// Where the process has no standard input.
pub(crate) fn open() -> io::Result<impl Read + Send> {
    imp::open()
}

fn stopped() -> io::Error {
    // Not `Interrupted`: that one is retried by every reader.
    io::Error::other("stopped")
}

#[cfg(unix)]
mod imp {
    use std::fs::File;
    use std::io::{self, Read};
    use std::os::fd::AsFd;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    /// Between two looks at whether somebody pressed Ctrl-C.
    const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

    pub(super) fn open() -> io::Result<Stdin> {
        Ok(Stdin(File::from(io::stdin().as_fd().try_clone_to_owned()?)))
    }

    pub(super) struct Stdin(File);

    impl Read for Stdin {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            loop {
                if super::cancel::is_asked() {
                    return Err(super::stopped());
                }
                match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&PATIENCE)) {
                    Ok(0) | Err(rustix::io::Errno::INTR) => {}
                    // Whatever it is, also an end or an error: reading tells.
                    Ok(_) => return self.0.read(buffer),
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

#[cfg(not(unix))]
mod imp {
    use std::io::{self, Read};

    pub(super) fn open() -> io::Result<Stdin> {
        Ok(Stdin(io::stdin()))
    }

    pub(super) struct Stdin(io::Stdin);

    impl Read for Stdin {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if super::cancel::is_asked() { Err(super::stopped()) } else { self.0.read(buffer) }
        }
    }
}
