//! Jobs: one execution of a report config over a project, from being asked for to its report.
//!
//! A [`Job`] is what was asked, with everything settled that could still move:
//! the window is absolute, the sample is counted. A [`JobState`] is how far it
//! is, and a [`Scope`] the threads it was found to be about. Whoever runs a job
//! again with the same scope gets the same report, so resuming is running again.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::report::{ExecutiveSummary, Tier};
use crate::{ProjectId, ReportConfig, ReportId, ThreadId, Time};

/// What was asked. Only the name changes later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub id: Uuid,
    pub project: ProjectId,
    pub name: String,
    pub created_at: Time,
    /// The saved config it was made from.
    pub saved_config: Option<Uuid>,
    /// The moment it was due, where a schedule asked for it.
    pub due: Option<Time>,
    pub tier: Tier,
    /// Names of the models it may ask; empty where none.
    #[serde(default)]
    pub models: Vec<String>,
    /// Who runs them; settled when work begins where it is absent and a tier needs one.
    #[serde(default)]
    pub providers: Option<Providers>,
    /// US dollars it may spend on models.
    #[serde(default)]
    pub budget: Option<Decimal>,
    /// Its window is absolute: "the last hours" were settled when the job was made.
    pub config: ReportConfig,
    /// Share of the threads to read, where not a number of them was asked for.
    #[serde(default)]
    pub sampling_rate: Option<f64>,
    /// The request as it was sent.
    #[serde(default)]
    pub request: Map<String, Value>,
    /// What was asked for and is not done, with the reason, by field.
    #[serde(default)]
    pub unmet: Vec<Unmet>,
}

/// The providers of the two models of a config, by their words: `openai`, `anthropic`, ...
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Providers {
    /// Of the model that names and concludes.
    pub thinking: String,
    /// Of the model that reads threads.
    pub summary: String,
}

/// A wish that this tier cannot fulfil.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmet {
    pub field: String,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    #[default]
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl JobStatus {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How far a job is. Written by who works on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobState {
    pub status: JobStatus,
    /// How often somebody began to work on it.
    pub attempt: u32,
    /// Who works on it, until when unless it is heard of again.
    pub lease: Option<Lease>,
    pub progress: Progress,
    pub spend: Spend,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
    /// Why it failed or was cancelled.
    pub error: Option<String>,
    /// Set where it succeeded.
    pub report: Option<ReportId>,
    /// What lists show of the report.
    pub outline: Option<Outline>,
}

/// A report in short.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outline {
    /// Threads that the selection matched, and those analysed.
    pub population: u64,
    pub threads: u64,
    /// Top categories and their threads, in the report's order.
    pub top: Vec<(String, u64)>,
    /// Why models did less than was asked of them, where they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<String>,
    /// Every highlight names a run.
    pub summary: ExecutiveSummary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    pub worker: Uuid,
    pub until: Time,
    /// The worker's process, where its system tells it from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
}

/// A process, told from all others that were or will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Changes when the machine starts anew.
    pub boot: Uuid,
    /// Within which the number means something.
    pub namespace: u64,
    pub process: u32,
    /// Ticks from the machine's start to its own.
    pub started: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The step it is at, in words; empty before the first.
    pub stage: String,
    pub done: u64,
    /// 0 where the size of the step is not known.
    pub total: u64,
    /// Who is down, where and why, while models are waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
}

impl Progress {
    /// The step, and what it waits for.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.waiting {
            Some(waiting) => format!("{}, waiting for {waiting}", self.stage),
            None => self.stage.clone(),
        }
    }
}

/// What models were asked and paid, in all attempts. Answers that were
/// remembered cost nothing; the report counts them like fresh ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spend {
    /// Calls that were answered.
    pub calls: u64,
    /// Answers that came from the memory.
    pub remembered: u64,
    /// Calls that broke off after they were sent, booked at their worst.
    pub lost: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// US dollars, without the calls that are `unpriced`.
    pub cost: Decimal,
    /// Calls of models whose price is not known.
    #[serde(skip_serializing_if = "is_zero")]
    pub unpriced: u64,
    /// The same by stage.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stages: BTreeMap<String, Spend>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Spend {
    /// US dollars, where the price of every call is known.
    #[must_use]
    pub fn known_cost(&self) -> Option<Decimal> {
        (self.unpriced == 0).then_some(self.cost)
    }

    /// Adds what was spent elsewhere, stage by stage.
    pub fn add(&mut self, other: &Self) {
        let Self { calls, remembered, lost, input_tokens, output_tokens, cost, unpriced, stages } = other;
        self.calls = self.calls.saturating_add(*calls);
        self.remembered = self.remembered.saturating_add(*remembered);
        self.lost = self.lost.saturating_add(*lost);
        self.input_tokens = self.input_tokens.saturating_add(*input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(*output_tokens);
        self.cost = self.cost.saturating_add(*cost);
        self.unpriced = self.unpriced.saturating_add(*unpriced);
        for (stage, spend) in stages {
            self.stages.entry(stage.clone()).or_default().add(spend);
        }
    }
}

/// The threads a job is about: drawn once, when work on it begins first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scope {
    /// Threads that the selection matched.
    pub population: usize,
    /// The drawn threads, ordered by id, and how many each stands for.
    pub threads: Vec<(ThreadId, f64)>,
}
