//! `assay dataset`: the threads of a category as test cases, in the formats
//! that evaluation tools read.

use std::io::Write as _;

use assay_domain::report::{Category, Report};
use assay_domain::{Message, Role};
use assay_server::insights::cases::{Case, Cases, openai_message, python};
use assay_store::{Catalog, block_on};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::args::{Dataset, DatasetFormat};
use crate::{Outcome, data, output};

pub(crate) fn run(command: Dataset) -> anyhow::Result<Outcome> {
    let Dataset::Export { report, category, data, format, out } = command;
    let store = data::open_existing(&data.data)?;
    let report = block_on(store.report(report))?.ok_or_else(|| {
        anyhow::anyhow!("there is no report {report}; `assay insights list` shows those there are")
    })?;
    let project = data::project(&store, &report.project)?;
    let category = find(&report, &category)?;
    let mut members = Cases::of(&report, category).with_transcripts();
    let mut cases = Vec::new();
    while let Some(more) = block_on(members.next(&store, &project))? {
        cases.extend(more);
    }
    let gone = members.gone();
    anyhow::ensure!(!cases.is_empty(), "no thread of category {:?} is in the store any more", category.name);
    let text = match format {
        DatasetFormat::Jsonl => lines(cases.iter().map(|case| case.example(category)))?,
        DatasetFormat::Openai => lines(cases.iter().filter_map(|case| case.eval(category)))?,
        DatasetFormat::Pytest => pytest(category, &cases)?,
        DatasetFormat::Langsmith => langsmith(&report, category, &cases)?,
    };
    match out {
        Some(file) => {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(std::path::Path::new("."));
            let mut written = tempfile::Builder::new().prefix(".assay-").tempfile_in(folder)?;
            written.write_all(text.as_bytes())?;
            written.persist(&file)?;
            output::note(&format!(
                "wrote {} threads of {:?} to {}",
                cases.len(),
                category.name,
                file.display()
            ));
        }
        None => output::print(&text)?,
    }
    if gone > 0 {
        output::note(&format!("{gone} threads are no longer in the store and were left out"));
        return Ok(Outcome::DoneWithSkips);
    }
    Ok(Outcome::Done)
}

/// The category of this id, name or path; the error lists what it may have meant.
fn find<'a>(report: &'a Report, wanted: &str) -> anyhow::Result<&'a Category> {
    let nodes = &report.taxonomy.nodes;
    let path = |node: &Category| {
        let mut names = vec![node.name.clone()];
        let mut at = node.parent.as_deref();
        while let Some(parent) = at.and_then(|id| report.category(id)).filter(|_| names.len() <= nodes.len())
        {
            names.push(parent.name.clone());
            at = parent.parent.as_deref();
        }
        names.reverse();
        names.join(" > ")
    };
    if let Some(found) = report.category(wanted) {
        return Ok(found);
    }
    let is_wanted =
        |node: &&Category| node.name.eq_ignore_ascii_case(wanted) || path(node).eq_ignore_ascii_case(wanted);
    let found: Vec<&Category> = nodes.iter().filter(is_wanted).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let paths: Vec<String> = nodes.iter().map(path).collect();
            anyhow::bail!("the report has no category {wanted:?}; it has:\n  {}", paths.join("\n  "))
        }
        several => {
            let paths: Vec<String> =
                several.iter().map(|node| format!("{} ({})", path(node), node.id)).collect();
            anyhow::bail!("{wanted:?} may be one of:\n  {}", paths.join("\n  "))
        }
    }
}

/// How a case is written.
trait Written {
    fn example(&self, category: &Category) -> Value;
    fn turns(&self) -> Option<(Vec<Value>, Option<String>)>;
    fn eval(&self, category: &Category) -> Option<Value>;
}

impl Written for Case {
    fn example(&self, category: &Category) -> Value {
        json!({ "inputs": self.inputs, "outputs": self.outputs, "metadata": self.metadata(category) })
    }

    /// The conversation up to the agent's last answer, and that answer. `None`
    /// where nobody asked before.
    fn turns(&self) -> Option<(Vec<Value>, Option<String>)> {
        // A tool's answer stands only behind the call that it answers.
        let is_said = |message: &&Message| !text_of(message).is_empty() || !message.tool_calls.is_empty();
        let said: Vec<&Message> = self.transcript.messages.iter().filter(is_said).collect();
        let is_answer = |message: &&Message| message.role == Role::Assistant && !text_of(message).is_empty();
        let last = said.iter().rposition(is_answer);
        let asked = &said[..last.unwrap_or(said.len())];
        let turns: Vec<Value> = asked.iter().map(|message| openai_message(message)).collect();
        let has_question = asked.iter().any(|message| message.role == Role::User);
        has_question.then(|| (turns, last.map(|last| text_of(said[last]))))
    }

    /// What an agent did wrong is no answer to aim at.
    fn eval(&self, category: &Category) -> Option<Value> {
        let (input, answer) = self.turns()?;
        let ideal = answer.filter(|_| self.failure.is_none() && self.status != "error");
        Some(json!({ "input": input, "ideal": ideal, "metadata": self.metadata(category) }))
    }
}

fn text_of(message: &Message) -> String {
    let texts = message.parts.iter().filter_map(|part| match part {
        assay_domain::Part::Text(text) | assay_domain::Part::Refusal(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn lines(all: impl Iterator<Item = Value>) -> anyhow::Result<String> {
    let mut text = String::new();
    for one in all {
        text.push_str(&serde_json::to_string(&one)?);
        text.push('\n');
    }
    anyhow::ensure!(!text.is_empty(), "no thread of the category begins with a question");
    Ok(text)
}

/// The body of `POST /examples/bulk`, besides the id of the dataset, with what to call it.
fn langsmith(report: &Report, category: &Category, cases: &[Case]) -> anyhow::Result<String> {
    let examples: Vec<Value> = cases
        .iter()
        .map(|case| {
            // The same thread of the same report is the same example.
            let id = Uuid::new_v5(&report.id.0, format!("{}\0{}", category.id, case.thread.0).as_bytes());
            json!({
                "id": id, "inputs": case.inputs, "outputs": case.outputs,
                "metadata": case.metadata(category), "source_run_id": case.run,
            })
        })
        .collect();
    let dataset = json!({ "name": category.name, "description": category.description, "examples": examples });
    Ok(serde_json::to_string_pretty(&dataset)? + "\n")
}

/// A test per thread: what was asked, and what is expected of an answer.
fn pytest(category: &Category, cases: &[Case]) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for case in cases {
        let Some((input, answer)) = case.turns() else { continue };
        let expected = match &case.failure {
            Some(failure) => format!("must not fail as it did: {failure}"),
            None => format!("{}: {}", category.name, category.description),
        };
        rows.push(json!({
            "thread": case.thread, "messages": input, "answered": answer, "expected": expected,
        }));
    }
    anyhow::ensure!(!rows.is_empty(), "no thread of the category begins with a question");
    let literal = python(&Value::Array(rows), 0);
    let title: String =
        category.name.chars().filter(|c| !c.is_control() && *c != '"' && *c != '\\').collect();
    Ok(format!(
        r#""""Cases of the category {title}, exported by Assay.

Fill in `answer`: it takes the messages so far and returns what your agent says.
"""

import pytest

CASES = {literal}


def answer(messages):
    pytest.skip("call your agent here")


@pytest.mark.parametrize("case", CASES, ids=[case["thread"] for case in CASES])
def test_answer(case):
    said = answer(case["messages"])
    assert said, case["expected"]
"#
    ))
}
