//! What became of the tests: read from the lines the suites write, judged, and told as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

/// What a test came to, by its id. A test that was reported twice keeps its worst.
pub(crate) type Outcomes = BTreeMap<String, (String, String)>;

#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) suite: String,
    pub(crate) passed: Vec<String>,
    /// Id and reason.
    pub(crate) failed: Vec<(String, String)>,
    /// How many lines say what does not count.
    pub(crate) left_out: usize,
    pub(crate) seconds: f64,
}

/// Reads lines of `{"id", "outcome", "detail"}`. No file is no outcome.
pub(crate) fn read(file: &Path) -> Result<Outcomes> {
    if !file.exists() {
        return Ok(Outcomes::new());
    }
    parse(&fs_err::read_to_string(file)?)
}

fn parse(text: &str) -> Result<Outcomes> {
    let mut found = Outcomes::new();
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let word = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let entry = (word("outcome"), word("detail"));
        let kept = found.entry(word("id")).or_insert_with(|| entry.clone());
        if kept.0 == "passed" {
            *kept = entry;
        }
    }
    Ok(found)
}

/// Of a suite of our own every test counts, and a skipped one has not passed.
pub(crate) fn of_all(suite: &str, found: &Outcomes) -> Verdict {
    let mut verdict = Verdict { suite: suite.to_owned(), ..Verdict::default() };
    for id in found.keys() {
        verdict.judge(id, found);
    }
    verdict
}

/// Of upstream's suite those count that `nodes.txt` names, whether they ran or not.
pub(crate) fn against_lists(suite: &str, found: &Outcomes, folder: &Path) -> Result<Verdict> {
    let nodes = fs_err::read_to_string(folder.join("nodes.txt"))?;
    let left_out = fs_err::read_to_string(folder.join("left_out.txt"))?;
    Ok(against(suite, found, &nodes, &left_out))
}

fn against(suite: &str, found: &Outcomes, nodes: &str, left_out: &str) -> Verdict {
    let mut verdict = Verdict { suite: suite.to_owned(), ..Verdict::default() };
    for line in entries(nodes) {
        verdict.judge(line.strip_prefix("alone ").unwrap_or(line), found);
    }
    verdict.left_out = entries(left_out).count();
    verdict
}

/// The lines of a list without its comments.
fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.lines()
        .map(|line| line.split("  #").next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

impl Verdict {
    fn judge(&mut self, id: &str, found: &Outcomes) {
        match found.get(id) {
            Some((outcome, _)) if outcome == "passed" => self.passed.push(id.to_owned()),
            Some((outcome, detail)) => self.failed.push((id.to_owned(), format!("{outcome}: {detail}"))),
            None => self.failed.push((id.to_owned(), "did not run".to_owned())),
        }
    }

    /// The failures, each with the end of its reason.
    pub(crate) fn failures(&self) -> String {
        let mut out = String::new();
        for (id, reason) in &self.failed {
            let lines: Vec<&str> = reason.lines().collect();
            let end = &lines[lines.len().saturating_sub(12)..];
            let _ = writeln!(out, "  FAILED {id}\n      {}", end.join("\n      "));
        }
        out
    }
}

/// One line a suite, and one for all of them.
pub(crate) fn table(verdicts: &[Verdict]) -> String {
    let mut out =
        format!("{:<12} {:>7} {:>7} {:>9} {:>8}\n", "suite", "passed", "failed", "left out", "seconds");
    for verdict in verdicts {
        let _ = writeln!(
            out,
            "{:<12} {:>7} {:>7} {:>9} {:>8.1}",
            verdict.suite,
            verdict.passed.len(),
            verdict.failed.len(),
            verdict.left_out,
            verdict.seconds
        );
    }
    let sum = |count: fn(&Verdict) -> usize| verdicts.iter().map(count).sum::<usize>();
    let _ = writeln!(
        out,
        "{:<12} {:>7} {:>7} {:>9} {:>8.1}",
        "all",
        sum(|verdict| verdict.passed.len()),
        sum(|verdict| verdict.failed.len()),
        sum(|verdict| verdict.left_out),
        verdicts.iter().map(|verdict| verdict.seconds).sum::<f64>()
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(lines: &[(&str, &str)]) -> Outcomes {
        let text: Vec<String> = lines
            .iter()
            .map(|(id, outcome)| {
                serde_json::json!({"id": id, "outcome": outcome, "detail": "why"}).to_string()
            })
            .collect();
        parse(&text.join("\n")).expect("lines of JSON")
    }

    #[test]
    fn a_listed_test_that_did_not_run_has_failed() {
        let verdict = against("s", &outcomes(&[("a", "passed")]), "# group\na\nalone b\n", "c  # because\n");
        assert_eq!(verdict.passed, ["a"]);
        assert_eq!(verdict.failed, [("b".to_owned(), "did not run".to_owned())]);
        assert_eq!(verdict.left_out, 1);
    }

    #[test]
    fn a_skipped_test_has_not_passed() {
        let verdict = of_all("s", &outcomes(&[("a", "passed"), ("b", "skipped"), ("c", "xfailed")]));
        assert_eq!((verdict.passed.len(), verdict.failed.len()), (1, 2));
    }

    #[test]
    fn a_failure_after_a_pass_is_a_failure_and_stays_one() {
        let verdict = of_all("s", &outcomes(&[("a", "passed"), ("a", "failed"), ("a", "passed")]));
        assert_eq!(verdict.failed, [("a".to_owned(), "failed: why".to_owned())]);
    }
}
