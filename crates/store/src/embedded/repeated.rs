//! Which runs an import of a file has given already: two records of one id that
//! differ are a defect of the file, however far apart they stand.
//!
//! One bit for each run that the store holds, in pages that are made when one of
//! theirs is given: a file of ten million records takes at most 2.5 MB. The
//! latest imports are remembered; whoever was pushed out begins anew.

use std::collections::{BTreeMap, VecDeque};

use uuid::Uuid;

/// Imports that may run beside one another.
const IMPORTS: usize = 8;
/// Words of a page.
const WORDS: usize = 64;
const PAGE: i64 = 64 * WORDS as i64;

/// What the imports at hand gave.
#[derive(Default)]
pub(crate) struct Repeated {
    imports: VecDeque<(Uuid, Given)>,
}

#[derive(Default)]
struct Given {
    runs: Bits,
    /// Those that were told of as conflicting, each once.
    told: Bits,
}

impl Repeated {
    /// Notes that an import gives the run of this key, and says whether that contradicts what it
    /// gave before: now, for the first time.
    pub(crate) fn gives(&mut self, import: Uuid, key: i64, is_news: bool, is_conflicting: bool) -> bool {
        let given = self.of(import);
        let is_again = given.runs.set(key);
        (is_conflicting || is_news && is_again) && !given.told.set(key)
    }

    fn of(&mut self, import: Uuid) -> &mut Given {
        let place = self.imports.iter().position(|(known, _)| *known == import).unwrap_or_else(|| {
            if self.imports.len() >= IMPORTS {
                self.imports.pop_front();
            }
            self.imports.push_back((import, Given::default()));
            self.imports.len() - 1
        });
        &mut self.imports[place].1
    }
}

#[derive(Default)]
struct Bits(BTreeMap<i64, Box<[u64; WORDS]>>);

impl Bits {
    /// Whether it was set before.
    fn set(&mut self, key: i64) -> bool {
        let page = self.0.entry(key.div_euclid(PAGE)).or_insert_with(|| Box::new([0; WORDS]));
        let place = key.rem_euclid(PAGE) as usize;
        let (word, bit) = (&mut page[place / 64], 1 << (place % 64));
        let was_set = *word & bit != 0;
        *word |= bit;
        was_set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_import_gives_twice_is_told_once_and_other_imports_have_their_own_say() {
        let mut repeated = Repeated::default();
        let file = Uuid::from_u128;
        for key in [0, 1, 4_095, 4_096, 1 << 40] {
            assert!(!repeated.gives(file(1), key, true, false), "{key}");
            assert!(!repeated.gives(file(1), key, false, false), "{key}: the same words again");
            assert!(!repeated.gives(file(2), key, true, false), "{key}: another file corrects it");
            assert!(repeated.gives(file(1), key, true, false), "{key}: the same file says otherwise");
            assert!(!repeated.gives(file(1), key, true, true), "{key}: which was told");
        }
        // The store answers for no more imports than this.
        for number in 3..=10 {
            assert!(!repeated.gives(file(number), 7, true, false));
        }
        assert_eq!(repeated.imports.len(), IMPORTS);
        assert!(!repeated.gives(file(1), 0, true, false), "begun anew");
    }
}
