//! Texts that try to run, hide or break out, and a report made of nothing else.

use std::collections::BTreeMap;

use assay_domain::ThreadId;
use assay_domain::report::*;
use assay_domain::transcript::{MediaKind, Message, Part, Role, ToolCall, Transcript};
use serde_json::json;

use super::fixture;

/// Every one of these would set `window.pwned`, ask for `x.test`, or act on a terminal, if it acted.
pub(crate) const PAYLOADS: [&str; 72] = [
    "<script>window.pwned=1</script>",
    "</script><script>window.pwned=1</script>",
    "</SCRIPT ><script>window.pwned=1</script >",
    "<!--<script>window.pwned=1</script>-->",
    "<!--<script>",
    "--><script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "<img src=\"https://x.test/a.png\">",
    "<svg onload=window.pwned=1>",
    "<svg><script>window.pwned=1</script></svg>",
    "<svg><animate onbegin=window.pwned=1 attributeName=x dur=1s>",
    "<iframe src=\"javascript:window.pwned=1\"></iframe>",
    "<iframe srcdoc=\"<script>parent.pwned=1</script>\"></iframe>",
    "<object data=\"javascript:window.pwned=1\"></object>",
    "<embed src=\"https://x.test/a\">",
    "<link rel=stylesheet href=\"https://x.test/a.css\">",
    "<style>@import 'https://x.test/a.css';</style>",
    "</style><script>window.pwned=1</script>",
    "<base href=\"https://x.test/\">",
    "<meta http-equiv=refresh content=\"0;url=https://x.test/\">",
    "<form action=\"https://x.test/\"><button>go</button></form>",
    "<a href=\"javascript:window.pwned=1\">x</a>",
    "javascript:window.pwned=1",
    "JaVaScRiPt:window.pwned=1//",
    "data:text/html,<script>window.pwned=1</script>",
    "vbscript:msgbox(1)",
    "\" onmouseover=\"window.pwned=1",
    "' onfocus='window.pwned=1' autofocus='",
    "\"><script>window.pwned=1</script>",
    "'><img src=x onerror=window.pwned=1>",
    "`-window.pwned=1-`",
    "${window.pwned=1}",
    "{{constructor.constructor('window.pwned=1')()}}",
    "{% raw %}<b>{% endraw %}",
    "{0} {9} #99",
    "</title><script>window.pwned=1</script>",
    "</textarea><script>window.pwned=1</script>",
    "</noscript><script>window.pwned=1</script>",
    "</template><script>window.pwned=1</script>",
    "<math><mtext></mtext><mglyph><style><img src=x onerror=window.pwned=1>",
    "<details open ontoggle=window.pwned=1>",
    "<video><source onerror=window.pwned=1></video>",
    "<input autofocus onfocus=window.pwned=1>",
    "<body onload=window.pwned=1>",
    "<marquee onstart=window.pwned=1>",
    "<button popovertarget=x onbeforetoggle=window.pwned=1>",
    "<x contenteditable onblur=window.pwned=1>",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
    "&#60;script&#62;window.pwned=1&#60;/script&#62;",
    "\\u003cscript\\u003ewindow.pwned=1\\u003c/script\\u003e",
    "%3Cscript%3Ewindow.pwned=1%3C/script%3E",
    "\u{ff1c}script\u{ff1e}window.pwned=1",
    "<scr\u{0}ipt>window.pwned=1</scr\u{0}ipt>",
    "]]><script>window.pwned=1</script>",
    "*/window.pwned=1/*",
    "__proto__",
    "constructor",
    "a\u{2028}window.pwned=1\u{2029}b",
    "\u{202e}txt.exe\u{202c}",
    "\u{2066}hidden\u{2069}",
    "\u{200f}\u{200e}\u{61c}marks",
    "zero\u{200b}width\u{feff}",
    "tags \u{e0041}\u{e0042}\u{e007f}",
    "\u{1b}[31mred\u{1b}[0m",
    "\u{1b}]0;title\u{7}",
    "\u{1b}]8;;https://x.test\u{1b}\\link\u{1b}]8;;\u{1b}\\",
    "\u{1b}[2J\u{1b}[Hcleared",
    "\u{9b}31m\u{9d}0;x\u{9c}",
    "bell\u{7}back\u{8}delete\u{7f}",
    "=cmd|'/c calc'!A0",
    "@SUM(1+1)*cmd|'/c calc'!A0",
    "+1+1\t\r\n-2",
];

/// A report in which every text of every kind is one of the payloads, in turn.
pub(crate) fn report_and_conversation() -> (Report, Transcript) {
    let mut turn = PAYLOADS.iter().cycle();
    let mut next = move || (*turn.next().unwrap_or(&"")).to_owned();
    let mut report = fixture::report_of(3 * PAYLOADS.len());
    poison(&mut report, &mut next);
    let mut messages = Vec::new();
    for (index, payload) in PAYLOADS.iter().enumerate() {
        let role = [Role::User, Role::Assistant, Role::Tool, Role::System][index % 4];
        messages.push(message(role, payload));
    }
    (report, Transcript { messages })
}

/// A message in which every text is `payload`.
pub(crate) fn message(role: Role, payload: &str) -> Message {
    let mut message = Message::new(role);
    message.name = Some(payload.into());
    message.parts = vec![
        Part::Text(payload.into()),
        Part::Thinking(payload.into()),
        Part::Refusal(payload.into()),
        Part::Media {
            kind: MediaKind::File,
            mime_type: Some(payload.into()),
            reference: payload.into(),
            picture: None,
        },
        Part::Other(json!({ payload: [payload] })),
        Part::Text(format!("```\n{payload}\n```")),
    ];
    message.tool_calls = vec![ToolCall {
        id: Some(payload.into()),
        name: payload.into(),
        arguments: json!({ payload: payload }),
    }];
    message.tool_call_id = Some(payload.into());
    message.error = Some(payload.into());
    message
}

/// Puts a text from `next` into every field that holds one.
pub(crate) fn poison(report: &mut Report, next: &mut dyn FnMut() -> String) {
    let threads: BTreeMap<String, String> = report
        .assignments
        .iter()
        .map(|assignment| (assignment.thread.0.clone(), format!("{}{}", assignment.thread.0, next())))
        .collect();
    let rename = |thread: &mut ThreadId| {
        if let Some(name) = threads.get(&thread.0) {
            thread.0.clone_from(name);
        }
    };
    report.project = next();
    report.config.name = next();
    report.config.filter = Some(next());
    report.config.categories = vec![PredefinedCategory { name: next(), description: next() }];
    report.config.sample = Sample {
        size: Some(9),
        strategy: SampleStrategy::Stratified { by: Stratum::Metadata { key: next() } },
    };
    report.executive_summary.title = next();
    for claim in &mut report.executive_summary.key_points {
        for value in &mut claim.values {
            value.shown = next();
            value.query.category = Some(next());
            value.query.attribute = Some(AttributeFilter { name: next(), value: next() });
        }
        claim.text = next();
        claim.template = claim.text.clone();
    }
    for highlight in &mut report.executive_summary.highlights {
        rename(&mut highlight.thread);
        highlight.category = next();
        highlight.category_name = next();
        highlight.reason = next();
        highlight.summary = next();
    }
    for category in &mut report.taxonomy.nodes {
        poison_category(category, next);
        category.examples.iter_mut().for_each(|example| rename(&mut example.thread));
    }
    poison_statistics(&mut report.statistics, next);
    for assignment in &mut report.assignments {
        assignment.path.iter_mut().for_each(|name| *name = next());
        assignment.category = hostile_id(&assignment.category);
        assignment.reason = Some(next());
        assignment.summary = next();
        assignment.request = next();
        assignment.failure = Some(next());
        assignment.attributes = BTreeMap::from([
            (next(), AttributeValue::Text(next())),
            (next(), AttributeValue::Labels(vec![next(), next()])),
        ]);
        assignment.feedback = BTreeMap::from([(next(), 0.5)]);
        rename(&mut assignment.thread);
    }
    let made = &mut report.made;
    (made.engine, made.tier, made.embedder) = (next(), next(), next());
    for skipped in &mut made.skipped {
        skipped.thread.0 = next();
        skipped.reason = next();
    }
}

/// Ids hold the tree together: equal ids stay equal.
fn hostile_id(id: &str) -> String {
    format!("{id}\"><script>window.pwned=1</script>")
}

fn poison_category(category: &mut Category, next: &mut dyn FnMut() -> String) {
    category.id = hostile_id(&category.id);
    category.parent = category.parent.as_deref().map(hostile_id);
    category.name = next();
    category.description = next();
    category.keywords = vec![next(), next()];
    category.examples.iter_mut().for_each(|example| example.text = next());
    poison_statistics(&mut category.statistics, next);
}

fn poison_statistics(statistics: &mut Statistics, next: &mut dyn FnMut() -> String) {
    let attributes = std::mem::take(&mut statistics.attributes);
    statistics.attributes = attributes.into_values().map(|value| (next(), value)).collect();
    for attribute in statistics.attributes.values_mut() {
        if let AttributeStatistics::Labels { counts, .. } = attribute {
            counts.iter_mut().for_each(|count| count.label = next());
        }
    }
    let labels = BTreeMap::from([(next(), 3)]);
    statistics.feedback.insert(next(), FeedbackStatistics { threads: 3, mean: None, labels });
    for association in &mut statistics.associations {
        association.attribute = next();
        association.value = next();
    }
    statistics.per_day.iter_mut().for_each(|day| day.day = next());
}
