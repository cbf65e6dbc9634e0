//! What came in, counted in one place for the metrics.

use assay_store::Appended;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};

/// By which way something came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Door {
    Runs,
    Batch,
    Multipart,
    OtlpHttp,
    OtlpGrpc,
    Import,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Way {
    door: Door,
}

/// Counts since the start of the server; copies share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    requests: Family<Way, Counter>,
    bytes: Family<Way, Counter>,
    runs: Family<Way, Counter>,
    new_runs: Family<Way, Counter>,
    feedback: Family<Way, Counter>,
    rejected: Family<Way, Counter>,
    failed: Family<Way, Counter>,
}

impl Counters {
    /// Puts the counters on a registry.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let Self { requests, bytes, runs, new_runs, feedback, rejected, failed } = self;
        let about: [(&str, &str, &Family<Way, Counter>); 6] = [
            ("ingest_requests", "Bodies that were decoded", requests),
            ("ingest_runs", "Runs that were stored, once per request that brought news of them", runs),
            ("ingest_new_runs", "Runs that were not known before", new_runs),
            ("ingest_feedback", "Feedback records that were stored", feedback),
            ("ingest_rejected", "Records that could not be read, or were refused", rejected),
            ("ingest_failed_requests", "Requests that the store could not take", failed),
        ];
        for (name, help, family) in about {
            registry.register(name, help, family.clone());
        }
        registry.register_with_unit(
            "ingest_body",
            "Bodies that were decoded, unpacked",
            Unit::Bytes,
            bytes.clone(),
        );
    }

    pub(super) fn arrived(&self, door: Door, bytes: usize, rejected: usize) {
        let way = Way { door };
        self.requests.get_or_create(&way).inc();
        self.bytes.get_or_create(&way).inc_by(bytes as u64);
        self.rejected.get_or_create(&way).inc_by(rejected as u64);
    }

    pub(super) fn stored(&self, door: Door, appended: &Appended) {
        let way = Way { door };
        let runs = appended.new_runs + appended.changed_runs + appended.unchanged_runs;
        let feedback = appended.new_feedback + appended.changed_feedback + appended.unchanged_feedback;
        self.runs.get_or_create(&way).inc_by(runs as u64);
        self.new_runs.get_or_create(&way).inc_by(appended.new_runs as u64);
        self.feedback.get_or_create(&way).inc_by(feedback as u64);
    }

    pub(super) fn failed(&self, door: Door) {
        self.failed.get_or_create(&Way { door }).inc();
    }

    #[cfg(test)]
    pub(crate) fn of(&self, door: Door) -> [u64; 4] {
        let way = Way { door };
        [&self.requests, &self.runs, &self.feedback, &self.rejected]
            .map(|family| family.get_or_create(&way).get())
    }
}
