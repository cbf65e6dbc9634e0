//! Groups the threads: by topic or by failure, as the config asks.

mod topics;

pub(crate) use topics::EVERYTHING;

use assay_domain::ReportConfig;
use assay_domain::report::Focus;
use assay_llm::Embed;

use crate::embed::Vectors;
use crate::grouping::{Grouping, ReadThread};
use crate::summary::Summary;
use crate::{Error, errors_lens};

/// Groups all threads through the lens of the config.
///
/// # Errors
/// What the embedder says about predefined categories.
pub fn threads(
    threads: &[ReadThread],
    vectors: &Vectors,
    config: &ReportConfig,
    embedder: &dyn Embed,
) -> Result<Grouping, Error> {
    match config.focus {
        Focus::Usage if config.categories.is_empty() => {
            Ok(topics::discover(threads, vectors, &config.shape, config.seed))
        }
        Focus::Usage => topics::within(threads, vectors, config, embedder),
        Focus::Errors => {
            let summaries: Vec<&Summary> = threads.iter().map(|thread| &thread.summary).collect();
            if config.categories.is_empty() {
                return Ok(errors_lens::group(&summaries, &config.shape));
            }
            errors_lens::within(&summaries, &config.categories, &config.shape, embedder)
        }
    }
}
