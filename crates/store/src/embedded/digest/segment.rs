//! The digest of one segment, read column by column as it is asked for.

use std::collections::HashMap;
use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension as _};
use sha2::{Digest as _, Sha256};

use super::bits::Bits;
use super::pack::{self, Reader};
use super::{Part, SIZE, place};

/// Stands for a number that is not there.
pub(super) const NOTHING: i64 = i64::MIN;
/// Stands for a text that is not there.
pub(super) const NO_TEXT: u16 = u16::MAX;

pub(super) const HAS_PARENT: i64 = 1;
/// Whether the moment of the run is its start.
pub(super) const HAS_START: i64 = 2;
pub(super) const HAS_ERROR: i64 = 4;
/// Whether some run of the trace carries the key of a thread.
pub(super) const IS_THREADED: i64 = 8;
/// Whether the full-text index may have only the beginning of its texts.
pub(super) const IS_LONG: i64 = 16;

pub(super) type Numbers = Rc<Vec<i64>>;

/// Texts of runs: each distinct one once, and which run has which.
pub(super) struct Texts {
    pub(super) texts: Vec<String>,
    pub(super) places: Vec<u16>,
}

/// Threads of the traces that runs stand for.
pub(super) struct Threads {
    threads: Vec<u64>,
    places: Vec<u16>,
}

impl Threads {
    /// `None` of a run that stands for no trace.
    pub(super) fn at(&self, place: usize) -> Option<u64> {
        self.threads.get(usize::from(*self.places.get(place)?)).copied()
    }
}

/// By what threads are told apart: among a million, two are taken for one with a chance of one in ten million.
pub(crate) fn thread_digest(thread: &str) -> u64 {
    let digest = Sha256::digest(thread.as_bytes());
    digest.iter().take(8).fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

pub(super) struct Segment<'c> {
    connection: &'c Connection,
    pub(super) number: i64,
    numbers: HashMap<Part, Option<Numbers>>,
    texts: HashMap<Part, Option<Rc<Texts>>>,
}

impl<'c> Segment<'c> {
    pub(super) fn new(connection: &'c Connection, number: i64) -> Self {
        Self { connection, number, numbers: HashMap::new(), texts: HashMap::new() }
    }

    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// A part as it was before packing; `None` where it cannot be read.
    pub(super) fn raw(&self, part: Part) -> rusqlite::Result<Option<Vec<u8>>> {
        Ok(self.packed(part)?.and_then(|packed| pack::unpack(&packed)))
    }

    fn packed(&self, part: Part) -> rusqlite::Result<Option<Vec<u8>>> {
        let mut statement = self.connection.prepare_cached("SELECT body FROM digests WHERE key = ?")?;
        statement.query_row([place(self.number, part)], |row| row.get(0)).optional()
    }

    /// One number per place; `None` where they cannot be read.
    pub(super) fn numbers(&mut self, part: Part) -> rusqlite::Result<Option<Numbers>> {
        if let Some(known) = self.numbers.get(&part) {
            return Ok(known.clone());
        }
        let numbers = self.packed(part)?.and_then(|packed| pack::unpack_numbers(&packed));
        let numbers = numbers.filter(|numbers| numbers.len() == SIZE as usize).map(Rc::new);
        self.numbers.insert(part, numbers.clone());
        Ok(numbers)
    }

    /// One text per place; `None` where they cannot be read.
    pub(super) fn texts(&mut self, part: Part) -> rusqlite::Result<Option<Rc<Texts>>> {
        if let Some(known) = self.texts.get(&part) {
            return Ok(known.clone());
        }
        let texts = self.raw(part)?.and_then(|raw| read_texts(&raw)).map(Rc::new);
        self.texts.insert(part, texts.clone());
        Ok(texts)
    }

    /// `None` where an older program made the digest.
    pub(super) fn threads(&self) -> rusqlite::Result<Option<Threads>> {
        Ok(self.raw(Part::Thread)?.and_then(|raw| read_threads(&raw)))
    }

    /// The runs of whose texts only a part may be in the full-text index; `None` where that is not known.
    pub(super) fn long(&mut self) -> rusqlite::Result<Option<Bits>> {
        let key = place(self.number, Part::Thread);
        if !self.connection.prepare_cached("SELECT 1 FROM digests WHERE key = ?")?.exists([key])? {
            return Ok(None);
        }
        Ok(self.numbers(Part::Flags)?.map(|flags| Bits::of(|at| flags[at] & IS_LONG != 0)))
    }

    /// The runs of a project.
    pub(super) fn of_project(&mut self, project: i64) -> rusqlite::Result<Option<Bits>> {
        let projects = self.numbers(Part::Project)?;
        Ok(projects.map(|projects| Bits::of(|place| projects[place] == project)))
    }
}

fn read_threads(raw: &[u8]) -> Option<Threads> {
    let mut reader = Reader(raw);
    let count = reader.number()?;
    let mut threads = Vec::new();
    for _ in 0..count {
        threads.push(reader.long()?);
    }
    Some(Threads { threads, places: reader.places(SIZE as usize)?.collect() })
}

fn read_texts(raw: &[u8]) -> Option<Texts> {
    let mut reader = Reader(raw);
    let count = reader.number()?;
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(reader.text()?.to_owned());
    }
    Some(Texts { texts, places: reader.places(SIZE as usize)?.collect() })
}
