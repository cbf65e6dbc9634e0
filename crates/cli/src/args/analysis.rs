//! What an analysis is asked, and how it is written on the command line.

use std::path::PathBuf;

use assay_domain::Time;
use assay_domain::report::{Focus, PredefinedCategory, ReportConfig, Sample, SampleStrategy, Shape};
use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;

use super::{ModelFlags, parse_time};

/// What to analyse and how.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Analysis")]
pub(crate) struct Analysis {
    /// Group by what people ask for, or by how the agent fails
    #[arg(long, value_enum, default_value = "usage")]
    pub(crate) focus: Lens,
    /// Only threads with a run that matches, such as 'eq(status, "error")'
    #[arg(long, value_name = "EXPRESSION")]
    pub(crate) filter: Option<String>,
    /// Only threads active at or after this moment (2026-11-01 or 2026-11-01T12:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) since: Option<Time>,
    /// Only threads active before this moment
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) until: Option<Time>,
    /// Read only this many threads [default: all]
    #[arg(long, value_name = "THREADS", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) sample: Option<usize>,
    /// How the sample is drawn: uniform, errors, low-feedback:KEY, or strata by status, latency,
    /// day, feedback:KEY or metadata:KEY
    #[arg(long, value_name = "STRATEGY", default_value = "uniform")]
    pub(crate) sample_by: SampleStrategy,
    /// How many categories, from the finest level up, such as 40,8 [default: as many as there are]
    #[arg(long, value_name = "COUNTS", value_delimiter = ',')]
    pub(crate) hierarchy: Vec<usize>,
    /// File with the top categories, of requests or of failures: JSON {"name": "description", …} or lines `name: description`
    #[arg(long, value_name = "FILE")]
    pub(crate) categories: Option<PathBuf>,
    /// Name of the report
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Threads of the processor to use [default: all]. The result does not depend on it
    #[arg(long, value_name = "COUNT")]
    pub(crate) threads: Option<usize>,
    #[command(flatten)]
    pub(crate) model: ModelFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lens {
    Usage,
    Errors,
}

impl Analysis {
    /// What the flags mean.
    ///
    /// # Errors
    /// Where the file of categories cannot be read or makes no sense.
    pub(crate) fn config(&self) -> anyhow::Result<ReportConfig> {
        let prebuilt = match self.focus {
            Lens::Usage => ReportConfig::usage_patterns(),
            Lens::Errors => ReportConfig::error_analysis(),
        };
        let categories = match &self.categories {
            Some(file) => crate::data::categories(file)?,
            None => Vec::new(),
        };
        let mut config = ReportConfig {
            name: self.name.clone().unwrap_or_else(|| prebuilt.name.clone()),
            focus: match self.focus {
                Lens::Usage => Focus::Usage,
                Lens::Errors => Focus::Errors,
            },
            filter: self.filter.clone(),
            start_time: self.since,
            end_time: self.until,
            sample: Sample { size: self.sample, strategy: self.sample_by.clone() },
            shape: shape(&self.hierarchy)?,
            categories,
            seed: self.seed,
            ..prebuilt
        };
        crate::analyst::configure(&self.model, &mut config)?;
        Ok(config)
    }
}

fn shape(counts: &[usize]) -> anyhow::Result<Shape> {
    if counts.is_empty() {
        return Ok(Shape::Automatic);
    }
    if counts.contains(&0) || !counts.is_sorted_by(|finer, coarser| finer > coarser) {
        anyhow::bail!(
            "--hierarchy takes counts from the finest level up, each smaller than the one before, such as 40,8"
        );
    }
    Ok(Shape::Levels(counts.to_vec()))
}

/// Categories as JSON object, JSON list of objects, or lines `name: description`.
pub(crate) fn parse_categories(text: &str) -> anyhow::Result<Vec<PredefinedCategory>> {
    let text = text.trim();
    let categories: Vec<PredefinedCategory> = if text.starts_with('[') {
        serde_json::from_str(text)?
    } else if text.starts_with('{') {
        let named: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
        named
            .into_iter()
            .map(|(name, value)| PredefinedCategory {
                name,
                description: value.as_str().unwrap_or_default().to_owned(),
            })
            .collect()
    } else {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| {
                let (name, description) = line.split_once(':').unwrap_or((line, ""));
                PredefinedCategory {
                    name: name.trim().to_owned(),
                    description: description.trim().to_owned(),
                }
            })
            .collect()
    };
    anyhow::ensure!(!categories.is_empty(), "it names no category");
    for (index, category) in categories.iter().enumerate() {
        anyhow::ensure!(!category.name.is_empty(), "category {} has no name", index + 1);
        let repeats = categories[..index].iter().any(|other| other.name.eq_ignore_ascii_case(&category.name));
        anyhow::ensure!(!repeats, "category {:?} is named twice", category.name);
    }
    Ok(categories)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_can_be_written_in_three_ways() {
        for text in [
            r#"{"Billing": "money", "Other things": ""}"#,
            r#"[{"name": "Billing", "description": "money"}, {"name": "Other things"}]"#,
            "# mine\nBilling: money\n\nOther things\n",
        ] {
            let found = parse_categories(text).expect(text);
            assert_eq!(found.len(), 2, "{text}");
            assert_eq!((found[0].name.as_str(), found[0].description.as_str()), ("Billing", "money"));
        }
        assert!(parse_categories("a: x\nA: y").is_err());
        assert!(parse_categories("").is_err());
    }

    #[test]
    fn levels_must_shrink() {
        assert!(shape(&[40, 8]).is_ok());
        assert!(shape(&[8, 40]).is_err());
        assert!(shape(&[0]).is_err());
    }
}
