//! Groups the threads: by topic or by failure, as the config asks.

mod topics;

use assay_domain::ReportConfig;
use assay_domain::report::{Focus, Shape};
use assay_llm::Embed;

use crate::embed::Vectors;
use crate::grouping::{Grouping, ReadThread};
use crate::summary::Summary;
use crate::{Error, errors_lens};

/// Groups all threads through the lens of the config.
///
/// # Errors
/// [`Error::Invalid`] for a shape or categories that this lens cannot have;
/// otherwise what the embedder says about predefined categories.
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
            if !config.categories.is_empty() {
                return Err(Error::Invalid(
                    "predefined categories go with the usage lens: the error lens groups by what failed"
                        .into(),
                ));
            }
            if config.shape != Shape::Automatic {
                return Err(Error::Invalid(
                    "the error lens has one category per cause of failure: a hierarchy cannot be asked for"
                        .into(),
                ));
            }
            let summaries: Vec<&Summary> = threads.iter().map(|thread| &thread.summary).collect();
            Ok(errors_lens::group(&summaries))
        }
    }
}
