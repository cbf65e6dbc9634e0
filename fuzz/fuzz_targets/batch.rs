//! Bodies of `/runs/batch` and `/runs`: decoding never fails in a way it should not.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = assay_wire::langsmith::body::batch(body);
    let _ = assay_wire::langsmith::body::post(body);
});
