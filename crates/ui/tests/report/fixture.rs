//! A synthetic report: two levels of categories and "Other", 400 threads,
//! claims, highlights, conversations. Made by arithmetic alone, so it is the
//! same every time.

use std::collections::BTreeMap;

use assay_domain::report::*;
use assay_domain::transcript::{MediaKind, Message, Part, Role, ToolCall, Transcript};
use assay_domain::{ReportId, ThreadId, Time, TraceId, format};
use serde_json::json;

/// Top category, subcategory, description, typical requests, words, share of threads, rate of failure, seconds.
type Row =
    (&'static str, &'static str, &'static str, [&'static str; 3], [&'static str; 4], usize, usize, f64);

const ROWS: [Row; 10] = [
    (
        "Orders and delivery",
        "Track a parcel",
        "Where an order is and when it arrives.",
        ["Where is my parcel?", "tracking says delivered but nothing came", "When does order 88213 arrive?"],
        ["tracking", "parcel", "delivered", "courier"],
        21,
        6,
        3.1,
    ),
    (
        "Orders and delivery",
        "Change or cancel an order",
        "Changes to address, items or date of an order that has not left.",
        ["Please change the delivery address", "cancel order 5512", "Can I add an item to my order?"],
        ["cancel", "address", "change", "before shipping"],
        13,
        9,
        5.4,
    ),
    (
        "Orders and delivery",
        "Damaged or missing items",
        "Parcels that arrived broken, incomplete or wrong.",
        ["The mug arrived in pieces", "one of the two lamps is missing", "I got someone else's order"],
        ["broken", "missing", "wrong item", "photo"],
        8,
        14,
        7.8,
    ),
    (
        "Refunds and payments",
        "Ask for a refund",
        "Money back for returned, late or unwanted goods.",
        ["I want my money back", "refund for order 7731 please", "How long does a refund take?"],
        ["refund", "money back", "return", "days"],
        16,
        34,
        12.6,
    ),
    (
        "Refunds and payments",
        "Card declined",
        "Payments that the shop or the bank turned down.",
        ["My card was declined twice", "payment failed but money is gone", "why can't I pay with Visa"],
        ["declined", "card", "charge", "bank"],
        9,
        21,
        6.0,
    ),
    (
        "Refunds and payments",
        "Invoices",
        "Copies and corrections of invoices.",
        ["I need an invoice with VAT", "send the receipt again", "wrong company name on the invoice"],
        ["invoice", "VAT", "receipt", "company"],
        5,
        4,
        2.2,
    ),
    (
        "Account and sign-in",
        "Password and sign-in",
        "People who cannot get into their account.",
        ["I can't log in", "reset link never arrives", "locked out after three tries"],
        ["password", "reset", "locked", "log in"],
        9,
        11,
        2.9,
    ),
    (
        "Account and sign-in",
        "Delete or change an account",
        "Personal data, newsletters, deletion.",
        ["delete my account", "change my e-mail address", "stop the newsletter"],
        ["delete", "newsletter", "e-mail", "data"],
        5,
        3,
        3.3,
    ),
    (
        "Product questions",
        "Size and fit",
        "Which size to take and how things fit.",
        ["Is the jacket true to size?", "which size for 1.82 m", "do the boots run small"],
        ["size", "fit", "small", "measure"],
        6,
        2,
        4.7,
    ),
    (
        "Product questions",
        "Stock and availability",
        "Whether and when something can be had again.",
        ["When is the blue one back?", "is the desk in stock in Graz", "notify me when available"],
        ["stock", "available", "back", "store"],
        4,
        8,
        3.6,
    ),
];

const TOOLS: [&str; 4] = ["lookup_order", "issue_refund", "search_catalog", "send_email"];

/// A small generator with a fixed start: the fixture has no other chance in it.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides.max(1)
    }

    /// 0 to 1.
    fn part(&mut self) -> f64 {
        self.roll(10_000) as f64 / 10_000.0
    }
}

/// The report with 400 threads.
pub(crate) fn report() -> Report {
    report_of(400)
}

/// The same with any number of threads.
pub(crate) fn report_of(threads: usize) -> Report {
    let mut dice = Dice(7);
    let mut assignments = Vec::with_capacity(threads);
    let total: usize = ROWS.iter().map(|row| row.5).sum::<usize>() + 4;
    for number in 0..threads {
        let mut at = number * total / threads.max(1);
        let mut leaf = ROWS.len();
        for (index, row) in ROWS.iter().enumerate() {
            if at < row.5 {
                leaf = index;
                break;
            }
            at -= row.5;
        }
        assignments.push(assignment(number, leaf, &mut dice));
    }
    assignments.sort_by(|a: &Assignment, b| {
        a.path.cmp(&b.path).then(b.confidence.total_cmp(&a.confidence)).then_with(|| a.thread.cmp(&b.thread))
    });
    let taxonomy = taxonomy(&assignments);
    let everything = statistics(&assignments.iter().collect::<Vec<_>>(), &assignments);
    let mut report = Report {
        version: FORMAT_VERSION,
        id: ReportId::from_name("fixture"),
        project: "shop-assistant".into(),
        config: ReportConfig::usage_patterns(),
        executive_summary: ExecutiveSummary::default(),
        taxonomy,
        assignments,
        statistics: everything,
        made: provenance(threads),
    };
    report.executive_summary = summary(&report);
    report
}

fn moment(number: usize) -> Time {
    Time::from_timestamp(1_767_225_600 + (number as i64 * 2_953) % (14 * 86_400), 0).expect("in range")
}

fn assignment(number: usize, leaf: usize, dice: &mut Dice) -> Assignment {
    let row = ROWS.get(leaf);
    let fails = dice.roll(100) < row.map_or(10, |row| row.6);
    let is_error = fails && dice.roll(3) > 0;
    let request = match row {
        Some(row) => format!(
            "{} {}",
            row.3[dice.roll(3)],
            ["", "It is urgent.", "Thanks!", "Second time I ask."][dice.roll(4)]
        ),
        None => ["hello??", "is this a robot", "asdf"][dice.roll(3)].to_owned(),
    };
    let tool = TOOLS[(leaf + dice.roll(2)) % TOOLS.len()];
    let trace = TraceId::from_name(&format!("trace {number}"));
    let failure = fails.then(|| format!("{tool}: <number> timed out after <number> ms"));
    let latency = row.map_or(1.4, |row| row.7) * (0.4 + 1.4 * dice.part()) * if fails { 2.3 } else { 1.0 };
    let tokens = 800 + dice.roll(3_000) as u64;
    let angle = leaf as f64 * 0.62;
    let (radius, spread) = (0.30 + 0.02 * (leaf % 3) as f64, 0.11);
    let around = |middle: f64, dice: &mut Dice| {
        (middle + (dice.part() + dice.part() + dice.part() - 1.5) * spread).clamp(0.0, 1.0) as f32
    };
    Assignment {
        thread: ThreadId(format!("thread-{number:04}")),
        category: row.map_or_else(|| "other".into(), |_| leaf_id(leaf)),
        path: row.map_or_else(|| vec!["Other".into()], |row| vec![row.0.into(), row.1.into()]),
        confidence: row.map_or(0.2, |_| 0.55 + 0.44 * dice.part()),
        reason: row.is_none().then(|| "nothing else in the project is like it".into()),
        summary: format!(
            "Asked: {} The agent called {tool} and {}.",
            request.trim(),
            if fails { "gave up after it failed" } else { "answered; the user was satisfied" }
        ),
        request: request.trim().to_owned(),
        attributes: BTreeMap::from([
            ("tools_used".into(), AttributeValue::Labels(vec![tool.into(), "verify_customer".into()])),
            ("turns".into(), AttributeValue::Number(2.0 + dice.roll(6) as f64)),
            ("tool_error".into(), AttributeValue::Boolean(fails)),
            ("language".into(), AttributeValue::Text(["en", "en", "en", "de", "es"][dice.roll(5)].into())),
            (
                "prompt_commit".into(),
                AttributeValue::Text(if number.is_multiple_of(3) { "b81f2c0" } else { "44d0aa1" }.into()),
            ),
        ]),
        status: if is_error { Status::Error } else { Status::Success },
        failure,
        start_time: Some(moment(number)),
        latency: Some(latency),
        total_tokens: tokens,
        cost: Some(tokens as f64 * 0.000_004),
        feedback: if dice.roll(3) == 0 {
            BTreeMap::from([("user_score".into(), if fails { 0.0 } else { 1.0 })])
        } else {
            BTreeMap::new()
        },
        weight: 1.0,
        evidence: Vec::new(),
        likeness: None,
        position: [around(0.5 + radius * angle.cos(), dice), around(0.5 + radius * angle.sin(), dice)],
        traces: vec![trace],
        run: Some(trace.into()),
    }
}

fn leaf_id(leaf: usize) -> String {
    format!("c{leaf:02}")
}

fn taxonomy(assignments: &[Assignment]) -> Taxonomy {
    let mut nodes = Vec::new();
    if assignments.is_empty() {
        return Taxonomy::default();
    }
    let mut tops: Vec<&str> = Vec::new();
    for row in &ROWS {
        if !tops.contains(&row.0) {
            tops.push(row.0);
        }
    }
    let node = |id: String, parent: Option<String>, level, name: &str, description: &str| {
        let members: Vec<_> =
            assignments.iter().filter(|assignment| assignment.path.iter().any(|part| part == name)).collect();
        let examples = members
            .iter()
            .take(3)
            .map(|member| Example { thread: member.thread.clone(), text: member.request.clone() })
            .collect();
        Category {
            id,
            parent,
            level,
            name: name.into(),
            description: description.into(),
            kind: if name == "Other" { CategoryKind::Other } else { CategoryKind::Discovered },
            examples,
            keywords: Vec::new(),
            statistics: statistics(&members, assignments),
        }
    };
    for (number, top) in tops.iter().enumerate() {
        let id = format!("t{number}");
        let names: Vec<_> = ROWS.iter().filter(|row| row.0 == *top).map(|row| row.1.to_lowercase()).collect();
        nodes.push(node(id.clone(), None, 1, top, &format!("Requests about: {}.", names.join(", "))));
        for (leaf, row) in ROWS.iter().enumerate().filter(|(_, row)| row.0 == *top) {
            let mut category = node(leaf_id(leaf), Some(id.clone()), 0, row.1, row.2);
            category.keywords = row.4.map(String::from).to_vec();
            nodes.push(category);
        }
    }
    nodes.push(node("other".into(), None, 0, "Other", "Threads that fit nowhere."));
    Taxonomy { nodes, granularities: vec![4, 10] }
}

fn estimate(part: usize, whole: usize) -> Estimate {
    if whole == 0 {
        return Estimate::default();
    }
    let value = part as f64 / whole as f64;
    let half = 1.96 * (value * (1.0 - value) / whole as f64).sqrt();
    Estimate { value, low: (value - half).max(0.0), high: (value + half).min(1.0) }
}

fn statistics(members: &[&Assignment], all: &[Assignment]) -> Statistics {
    let failures = members.iter().filter(|member| member.failure.is_some()).count();
    let errors = members.iter().filter(|member| member.status == Status::Error).count();
    let mut latencies: Vec<f64> = members.iter().filter_map(|member| member.latency).collect();
    latencies.sort_by(f64::total_cmp);
    let at =
        |part: f64| latencies.get(((latencies.len() as f64 * part) as usize).min(latencies.len().max(1) - 1));
    let mut costs: Vec<f64> = members.iter().filter_map(|member| member.cost).collect();
    costs.sort_by(f64::total_cmp);
    let scores: Vec<f64> =
        members.iter().filter_map(|member| member.feedback.get("user_score")).copied().collect();
    let mut feedback = BTreeMap::new();
    if !scores.is_empty() {
        let mean = Some(scores.iter().sum::<f64>() / scores.len() as f64);
        feedback.insert(
            "user_score".into(),
            FeedbackStatistics { threads: scores.len(), mean, labels: BTreeMap::new() },
        );
    }
    Statistics {
        threads: members.len(),
        estimated_threads: members.len() as f64,
        share: estimate(members.len(), all.len()),
        errors,
        error_rate: estimate(errors, members.len()),
        failures,
        failure_rate: estimate(failures, members.len()),
        errors_stand_out: stands_out(errors, members, all, |one| one.status == Status::Error),
        failures_stand_out: stands_out(failures, members, all, |one| one.failure.is_some()),
        latency: at(0.5).zip(at(0.99)).map(|(&p50, &p99)| Percentiles { p50, p99 }),
        total_tokens: members.iter().map(|member| member.total_tokens).sum(),
        cost: costs.get(costs.len() / 2).map(|&p50| CostStatistics { total: costs.iter().sum(), p50 }),
        feedback,
        attributes: attributes(members),
        associations: associations(members, all),
        per_day: per_day(members),
    }
}

/// Twice the rate of all, of enough threads: near to what the analysis marks.
fn stands_out(
    hits: usize,
    members: &[&Assignment],
    all: &[Assignment],
    holds: impl Fn(&Assignment) -> bool,
) -> bool {
    let everywhere = all.iter().filter(|one| holds(one)).count();
    members.len() >= 8 && hits * all.len() > 2 * everywhere * members.len()
}

fn labels(members: &[&Assignment], name: &str) -> Vec<LabelCount> {
    let mut counts = BTreeMap::<String, usize>::new();
    for member in members {
        match member.attributes.get(name) {
            Some(AttributeValue::Text(text)) => *counts.entry(text.clone()).or_default() += 1,
            Some(AttributeValue::Labels(labels)) => {
                labels.iter().for_each(|label| *counts.entry(label.clone()).or_default() += 1);
            }
            _ => {}
        }
    }
    let mut counts: Vec<_> =
        counts.into_iter().map(|(label, threads)| LabelCount { label, threads }).collect();
    counts.sort_by_key(|count| std::cmp::Reverse(count.threads));
    counts
}

fn attributes(members: &[&Assignment]) -> BTreeMap<String, AttributeStatistics> {
    let threads = members.len();
    let yes = members.iter().filter(|member| member.failure.is_some()).count();
    let labelled = |name| AttributeStatistics::Labels { threads, counts: labels(members, name), others: 0 };
    BTreeMap::from([
        ("tools_used".into(), labelled("tools_used")),
        ("language".into(), labelled("language")),
        ("prompt_commit".into(), labelled("prompt_commit")),
        ("tool_error".into(), AttributeStatistics::Boolean { threads, yes }),
        ("turns".into(), AttributeStatistics::Number { threads, mean: 4.4, p50: 4.0, p99: 7.0, max: 7.0 }),
    ])
}

fn associations(members: &[&Assignment], all: &[Assignment]) -> Vec<Association> {
    if members.len() == all.len() {
        return Vec::new();
    }
    let everyone: Vec<_> = all.iter().collect();
    let outside = labels(&everyone, "tools_used");
    let mut out = Vec::new();
    for inside in
        labels(members, "tools_used").iter().filter(|count| count.label != "verify_customer").take(2)
    {
        let elsewhere =
            outside.iter().find(|count| count.label == inside.label).map_or(0, |count| count.threads);
        let inside_share = inside.threads as f64 / members.len().max(1) as f64;
        let outside_share =
            (elsewhere - inside.threads.min(elsewhere)) as f64 / (all.len() - members.len()) as f64;
        out.push(Association {
            attribute: "tools_used".into(),
            value: inside.label.clone(),
            inside: inside_share,
            outside: outside_share,
            odds_ratio: 4.2,
            q_value: 0.0003,
        });
    }
    out.push(Association {
        attribute: "language".into(),
        value: "de".into(),
        inside: 0.08,
        outside: 0.21,
        odds_ratio: 0.33,
        q_value: 0.021,
    });
    out
}

fn per_day(members: &[&Assignment]) -> Vec<DayCount> {
    let mut days = BTreeMap::<String, (usize, usize)>::new();
    for member in members {
        let Some(time) = member.start_time else { continue };
        let day = days.entry(format::day(time)).or_default();
        day.0 += 1;
        day.1 += usize::from(member.failure.is_some());
    }
    days.into_iter().map(|(day, (threads, failures))| DayCount { day, threads, failures }).collect()
}

fn summary(report: &Report) -> ExecutiveSummary {
    let value = |measure: Measure, category: Option<&str>, value: f64, shown: String| ClaimValue {
        query: Query { measure, category: category.map(Into::into), attribute: None },
        value,
        shown,
    };
    let claim = |template: &str, values: Vec<ClaimValue>, references: Vec<usize>| {
        let mut text = template.to_owned();
        for (index, value) in values.iter().enumerate() {
            text = text.replace(&format!("{{{index}}}"), &value.shown);
        }
        Claim { template: template.into(), values, references, text }
    };
    let of = |id: &str| report.category(id).map(|category| category.statistics.clone()).unwrap_or_default();
    let (orders, refunds, asking) = (of("t0"), of("t1"), of("c03"));
    let p50 = asking.latency.map_or(0.0, |latency| latency.p50);
    let key_points = vec![
        claim(
            "Orders and delivery is what people come for: {0} of all threads, most of them to track a parcel.",
            vec![value(Measure::Share, Some("t0"), orders.share.value, format::percent(orders.share.value))],
            vec![],
        ),
        claim(
            "Asking for a refund fails most: {0} of {1} threads show a failure, see #1 and #2. The median is {2}.",
            vec![
                value(
                    Measure::FailureRate,
                    Some("c03"),
                    asking.failure_rate.value,
                    format::percent(asking.failure_rate.value),
                ),
                value(Measure::Threads, Some("c03"), asking.threads as f64, format::count(asking.threads)),
                value(Measure::LatencyP50, Some("c03"), p50, format::seconds(p50)),
            ],
            vec![1, 2],
        ),
        claim(
            "Refunds and payments cost {0} in all.",
            vec![value(
                Measure::TotalCost,
                Some("t1"),
                refunds.cost.map_or(0.0, |cost| cost.total),
                format::money(refunds.cost.map_or(0.0, |cost| cost.total)),
            )],
            vec![],
        ),
    ];
    let failing = report.assignments.iter().filter(|assignment| assignment.failure.is_some());
    let highlights = failing
        .step_by(5)
        .take(6)
        .enumerate()
        .map(|(index, assignment)| Highlight {
            rank: index + 1,
            thread: assignment.thread.clone(),
            run: assignment.run,
            category: assignment.category.clone(),
            category_name: assignment.path.last().cloned().unwrap_or_default(),
            reason: ["Slowest failure of its category", "Tool failed and the agent gave up"][index % 2]
                .into(),
            summary: assignment.summary.clone(),
        })
        .collect();
    let title = "Delivery dominates; refunds fail three times as often as the rest".into();
    if report.assignments.is_empty() {
        return ExecutiveSummary::default();
    }
    ExecutiveSummary { title, key_points, highlights }
}

fn provenance(threads: usize) -> Provenance {
    Provenance {
        engine: "0.1.0".into(),
        tier: "local".into(),
        embedder: "all-MiniLM-L6-v2 int8".into(),
        population: threads + 3,
        sampled: threads + 3,
        distinct_texts: threads * 9 / 10,
        student_texts: 0,
        first_activity: (threads > 0).then(|| moment(0)),
        last_activity: (threads > 0).then(|| moment(408)),
        skipped: (0..3)
            .map(|n| Skipped { thread: ThreadId(format!("skipped-{n}")), reason: "no messages".into() })
            .collect(),
        claims_dropped: 0,
        edits: Vec::new(),
        model: None,
        quality: Quality { coverage: 0.96, confidence: 0.77, stability: Some(0.83) },
    }
}

/// A conversation for any thread of the report, with everything a conversation may have.
pub(crate) fn conversation(report: &Report, thread: &ThreadId) -> Option<Transcript> {
    let assignment = report.assignments.iter().find(|assignment| &assignment.thread == thread)?;
    let tool = match assignment.attributes.get("tools_used") {
        Some(AttributeValue::Labels(labels)) => labels.first().cloned().unwrap_or_default(),
        _ => "tool".into(),
    };
    let mut request = Message::text_of(Role::User, &assignment.request);
    request.time = assignment.start_time;
    let mut call = Message::new(Role::Assistant);
    call.parts.push(Part::Thinking("The customer wants help with an order. First look it up.".into()));
    call.parts.push(Part::Text("Let me check that for you.".into()));
    call.tool_calls.push(ToolCall {
        id: Some("call_1".into()),
        name: tool.clone(),
        arguments: json!({ "order": 88_213, "fields": ["status", "carrier"] }),
    });
    let mut answer = Message::new(Role::Tool);
    answer.name = Some(tool);
    answer.tool_call_id = Some("call_1".into());
    if assignment.failure.is_some() {
        answer.error = Some("timed out after 30000 ms".into());
    } else {
        answer.parts.push(Part::Text("{\n  \"status\": \"in transit\",\n  \"carrier\": \"ACME\"\n}".into()));
    }
    let mut picture = Message::text_of(Role::User, "Here is a photo of the label.");
    picture.parts.push(Part::Media {
        kind: MediaKind::Image,
        mime_type: Some("image/png".into()),
        reference: "attachment://label.png".into(),
        picture: None,
    });
    let ending = if assignment.failure.is_some() {
        "I am sorry, I could not reach the order system. Please try again later."
    } else {
        "### Your parcel\nIt is **on its way** to yara_garcia_1905, 2*3*4 kg:\n- `van_7`\n- [a map](javascript:alert)\n```json\n{ \"eta\": \"**Tuesday**\" }\n```\nIs there anything else?"
    };
    let messages = vec![
        Message::text_of(
            Role::System,
            "You are the assistant of a shop. Be brief. Verify the customer first.",
        ),
        request,
        call,
        answer,
        picture,
        Message::text_of(Role::Assistant, ending),
    ];
    Some(Transcript { messages })
}

/// A report with this many leaf categories under one in ten tops, two threads each.
pub(crate) fn wide_report(leaves: usize) -> Report {
    let mut report = report_of(0);
    let mut nodes = Vec::new();
    for leaf in 0..leaves {
        let top = leaf / 10;
        let members: Vec<Assignment> = (0..2)
            .map(|n| {
                let mut dice = Dice(leaf as u64 * 2 + n);
                let mut assignment = assignment(leaf * 2 + n as usize, leaf % ROWS.len(), &mut dice);
                assignment.category = format!("leaf-{leaf}");
                assignment.path = vec![format!("Top {top}"), format!("Leaf {leaf}")];
                assignment
            })
            .collect();
        let mut base = report_of(20).taxonomy.nodes[1].clone();
        base.statistics.share = estimate(2, leaves * 2);
        base.examples.clear();
        if leaf % 10 == 0 {
            let mut parent = base.clone();
            (parent.id, parent.parent, parent.level) = (format!("top-{top}"), None, 1);
            parent.name = format!("Top {top}");
            parent.statistics.share = estimate(20, leaves * 2);
            nodes.push(parent);
        }
        (base.id, base.parent) = (format!("leaf-{leaf}"), Some(format!("top-{top}")));
        base.name = format!("Leaf {leaf}");
        nodes.push(base);
        report.assignments.extend(members);
    }
    report.taxonomy.nodes = nodes;
    report.statistics.threads = leaves * 2;
    report
}
