//! What language models did for a report, in words.
//!
//! Reasons quote providers and models: they pass [`text::line`] like everything
//! else that did not come from us.

use assay_domain::report::{MergedPart, Merging, ModelWork, Report};

use crate::{format, text};

/// One fact each: who answered, what it took, what could not be read, why it ended early.
pub(crate) fn facts(report: &Report) -> Vec<String> {
    let Some(work) = &report.made.model else { return Vec::new() };
    let mut facts = vec![spent(work)];
    if work.threads_read > 0 {
        let alike = match work.threads_alike {
            0 => String::new(),
            alike => format!(", {} of them by their likes", format::count(alike)),
        };
        facts.push(format!("{} threads read by a model{alike}", format::count(work.threads_read)));
    }
    if work.threads_inferred > 0 {
        facts.push(format!(
            "{} threads placed by likeness to those: intervals of shares rest on the ones read",
            format::count(work.threads_inferred)
        ));
    }
    if work.filtered_out > 0 {
        facts.push(format!("{} threads filtered out by an attribute", format::count(work.filtered_out)));
    }
    if work.evidence_dropped > 0 {
        facts.push(format!("{} quotes dropped, not in the thread", format::count(work.evidence_dropped)));
    }
    if let Some(merging) = &work.merging {
        facts.push(merged(merging));
    }
    if let Some(first) = work.unread.first() {
        let count = format::count(work.unread.len());
        facts.push(format!("{count} threads no model could read, such as: {}", text::line(&first.reason)));
    }
    if let Some(reason) = &work.partial {
        facts.push(format!("partial: {}", text::line(reason)));
    }
    facts
}

/// How many pairs of categories were asked about, and what was made of which.
fn merged(merging: &Merging) -> String {
    let asked = match merging.asked {
        1 => "1 pair of neighbouring categories".to_owned(),
        asked => format!("{} pairs of neighbouring categories", format::count(asked)),
    };
    let mut said = format!("{asked} held against each other by a model, ");
    if merging.merged.is_empty() {
        said.push_str("none merged");
    }
    let made = merging.merged.iter().map(|merged| {
        let part = |part: &MergedPart| {
            format!("“{}” ({} threads)", text::line(&part.name), format::count(part.threads))
        };
        let parts: Vec<String> = merged.of.iter().map(part).collect();
        format!("merged into “{}”: {}", text::line(&merged.category), parts.join(" and "))
    });
    said.push_str(&made.collect::<Vec<_>>().join("; "));
    if merging.unanswered > 0 {
        let count = format::count(merging.unanswered);
        said.push_str(&format!("; {count} without a usable answer, left as they were"));
    }
    said
}

fn spent(work: &ModelWork) -> String {
    let sum = |of: fn(&assay_domain::report::StageWork) -> u64| work.stages.iter().map(of).sum::<u64>();
    let calls: usize = work.stages.iter().map(|stage| stage.calls).sum();
    let cost: Option<f64> = work.stages.iter().map(|stage| stage.cost).sum();
    let names: Vec<String> = work.models.iter().map(|name| text::line(name)).collect();
    format!(
        "{}: {} answers, {} tokens in, {} out, {}",
        if names.is_empty() { "no model answered".to_owned() } else { names.join(", ") },
        format::count(calls),
        format::count(sum(|stage| stage.input_tokens)),
        format::count(sum(|stage| stage.output_tokens)),
        cost.map_or_else(
            || "cost not known".to_owned(),
            |cost| format!("worth {} at their prices, remembered ones with them", format::money(cost))
        ),
    )
}

#[cfg(test)]
mod tests {
    use assay_domain::report::{Merged, Provenance, StageWork};

    use super::*;

    #[test]
    fn an_unknown_price_is_not_zero_and_an_early_end_is_said() {
        let stage =
            |cost| StageWork { stage: "name".into(), calls: 2, input_tokens: 1_500, output_tokens: 20, cost };
        let work = ModelWork {
            models: vec!["openai/m\u{1b}[2J".into()],
            stages: vec![stage(Some(0.5)), stage(None)],
            partial: Some("the budget is used up".into()),
            ..ModelWork::default()
        };
        let mut report = Report {
            version: 1,
            id: assay_domain::ReportId::default(),
            project: "p".into(),
            config: assay_domain::ReportConfig::default(),
            executive_summary: Default::default(),
            taxonomy: Default::default(),
            assignments: Vec::new(),
            statistics: Default::default(),
            made: Provenance { model: Some(work), ..Provenance::default() },
        };
        let said = facts(&report).join("\n");
        assert!(said.contains("4 answers, 3,000 tokens in, 40 out, cost not known"), "{said}");
        assert!(said.contains("partial: the budget is used up"), "{said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
        let part = |name: &str, threads| MergedPart { name: name.into(), threads };
        let merged = Merged {
            category: "Money back".into(),
            of: vec![part("Refund \u{1b}[2J", 1_200), part("Charged twice", 30)],
        };
        let merging = |asked, unanswered, merged| Some(Merging { asked, unanswered, merged });
        let told = |report: &mut Report, merging| {
            report.made.model.as_mut().expect("books").merging = merging;
            facts(report).join("\n")
        };
        let said = told(&mut report, merging(3, 1, vec![merged]));
        let wanted = "3 pairs of neighbouring categories held against each other by a model, merged into “Money back”: “Refund";
        assert!(said.contains(wanted) && !said.contains('\u{1b}'), "{said:?}");
        assert!(
            said.contains("(1,200 threads) and “Charged twice” (30 threads); 1 without a usable"),
            "{said}"
        );
        let said = told(&mut report, merging(1, 0, Vec::new()));
        assert!(
            said.contains(
                "1 pair of neighbouring categories held against each other by a model, none merged"
            )
        );
        report.made.model = None;
        assert!(facts(&report).is_empty());
    }
}
