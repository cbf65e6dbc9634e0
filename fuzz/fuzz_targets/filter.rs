//! Filters: what parses can be asked, and says itself again.

#![no_main]

use assay_domain::{ProjectId, Run, RunId};
use assay_store::Filter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    match Filter::parse(source) {
        Ok(filter) => {
            let run = Run::unknown(RunId::from_name("r"), ProjectId::from_name("p"));
            let _ = filter.holds_of(&run);
            assert_eq!(Filter::parse(&filter.to_string()).as_ref(), Ok(&filter));
        }
        // The caret lies within the snippet, or right behind it.
        Err(error) => assert!(error.caret <= error.snippet.chars().count(), "{error}"),
    }
});
