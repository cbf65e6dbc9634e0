//! The table of figures, and the machine they are of.

use std::collections::BTreeSet;
use std::fmt::{self, Display};

use anyhow::{Result, ensure};

/// What a figure should be.
#[derive(Clone, Copy)]
pub(super) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// One figure.
pub(super) struct Row {
    bench: &'static str,
    measure: String,
    value: f64,
    target: Option<Target>,
    /// The figure against another of the same machine.
    ratio: String,
    note: String,
    /// What was timed, without the name of the binary.
    command: String,
}

impl Row {
    pub(super) fn new(bench: &'static str, measure: &str, value: f64, command: &str) -> Self {
        Self {
            bench,
            measure: measure.to_owned(),
            value,
            target: None,
            ratio: String::new(),
            note: String::new(),
            command: command.replace(['{', '}'], ""),
        }
    }

    pub(super) fn target(self, target: Option<Target>) -> Self {
        Self { target, ..self }
    }

    pub(super) fn ratio(self, ratio: String) -> Self {
        Self { ratio, ..self }
    }

    pub(super) fn note(self, note: &str) -> Self {
        Self { note: note.to_owned(), ..self }
    }

    /// The target and how the figure stands to it: `≥ 20,000 ✓ 1.31 ×`.
    fn verdict(&self) -> String {
        let (sign, wanted, is_met) = match self.target {
            None => return String::new(),
            Some(Target::AtLeast(wanted)) => ("≥", wanted, self.value >= wanted),
            Some(Target::AtMost(wanted)) => ("≤", wanted, self.value <= wanted),
        };
        let mark = if is_met { "✓" } else { "✗" };
        format!("{sign} {} {mark} {:.2} ×", shown(wanted), self.value / wanted)
    }
}

/// Three digits, and commas between thousands.
fn shown(value: f64) -> String {
    if value.abs() < 10.0 {
        return format!("{value:.2}");
    }
    if value.abs() < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The figures as a table in Markdown.
pub(super) fn of(rows: &[Row]) -> String {
    HEAD.to_owned() + &lines(rows).concat()
}

const HEAD: &str = "| bench | measure | value | target | ratio | |\n|---|---|---:|---|---|---|\n";

fn lines(rows: &[Row]) -> Vec<String> {
    rows.iter()
        .map(|row| {
            let (bench, measure, value) = (row.bench, &row.measure, shown(row.value));
            format!("| {bench} | {measure} | {value} | {} | {} | {} |\n", row.verdict(), row.ratio, row.note)
        })
        .collect()
}

/// `docs/benchmarks.md`: these figures, and of the page before those of benches
/// that did not run now. `order` names all benches.
///
/// # Errors
/// Where figures would be kept that were measured on another machine.
pub(super) fn page(machine: &Machine, rows: &[Row], before: &str, order: &[&str]) -> Result<String> {
    let there = format!("Machine: {machine}.");
    let other = before.lines().find(|line| line.starts_with("Machine: ") && **line != there);
    let all_ran = order.iter().all(|bench| rows.iter().any(|row| row.bench == *bench));
    ensure!(
        all_ran || other.is_none(),
        "docs/benchmarks.md has figures of another machine ({}): run all benches to store those of this one",
        other.unwrap_or_default()
    );
    // What a browser measures is written by hand, at the end.
    let by_hand = before.find("\n## In a browser").map_or("", |at| &before[at..]);
    let mut seen = BTreeSet::new();
    let commands: Vec<String> = rows
        .iter()
        .filter(|row| seen.insert((row.bench, &row.command)))
        .map(|row| {
            let program = if row.command.starts_with("cargo ") { "" } else { "assay " };
            format!("- {}: `{program}{}`\n", row.bench, row.command)
        })
        .collect();
    let (now_figures, now_commands) = (lines(rows), commands);
    let (mut figures, mut commands) = (HEAD.to_owned(), String::new());
    for bench in order {
        let has_run = rows.iter().any(|row| row.bench == *bench);
        for (out, now, start) in [
            (&mut figures, &now_figures, format!("| {bench} |")),
            (&mut commands, &now_commands, format!("- {bench}: ")),
        ] {
            let kept = before.lines().filter(|_| !has_run).map(|line| format!("{line}\n"));
            out.extend(now.iter().cloned().chain(kept).filter(|line| line.starts_with(&start)));
        }
    }
    Ok(format!(
        "# Benchmarks\n\nMade by `cargo xtask bench [NAME…] --store`; `--quick` repeats them on small inputs.\n\
         Machines differ: the ratio beside a figure compares it with another figure of the same machine.\n\
         Peak memory is the largest resident size of the process.\n\nMachine: {machine}.\n\n{figures}\n\
         ## What was timed\n\n{commands}\n\
         `import` and `large` read generated LangSmith runs of about a kilobyte, three to a trace. `clinc` (23,700 threads) and\n\
         `bfcl` (23,800 traces of two runs) are public sets without their labels. `growth` reads what `assay demo --size N`\n\
         makes. Reports are timed from file to files: decoding, storing, analysing, writing page, text and tables. `ingest` and\n\
         `query` count the client on the same machine; every acknowledged run is then asked for.\n{by_hand}"
    ))
}

/// What the figures were measured on.
pub(super) struct Machine {
    cores: usize,
    processor: String,
    memory_gigabytes: u64,
}

impl Machine {
    pub(super) fn read() -> Self {
        let text = |file| std::fs::read_to_string(file).unwrap_or_default();
        let value = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory = value(&text("/proc/meminfo"), "MemTotal");
        let kilobytes = memory.and_then(|memory| memory.split(' ').next()?.parse::<u64>().ok());
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: value(&text("/proc/cpuinfo"), "model name")
                .unwrap_or_else(|| "unknown processor".to_owned()),
            memory_gigabytes: (kilobytes.unwrap_or(0) + (1 << 19)) >> 20,
        }
    }
}

impl Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cores of {}, {} GB of memory", self.cores, self.processor, self.memory_gigabytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_beside_their_targets() {
        let met = Row::new("ingest", "runs/s", 26_200.0, "import").target(Some(Target::AtLeast(20_000.0)));
        assert_eq!(met.verdict(), "≥ 20,000 ✓ 1.31 ×");
        let missed = Row::new("clinc", "seconds", 66.0, "report").target(Some(Target::AtMost(60.0)));
        assert_eq!(missed.verdict(), "≤ 60.0 ✗ 1.10 ×");
        assert_eq!(shown(1_234_567.0), "1,234,567");
        assert_eq!(shown(0.5), "0.50");
    }

    #[test]
    fn a_bench_that_did_not_run_keeps_its_figures() {
        let machine = Machine { cores: 2, processor: "some".into(), memory_gigabytes: 24 };
        let order = ["import", "query"];
        let all = [Row::new("import", "runs/s", 1.0, "import x"), Row::new("query", "ms", 2.0, "serve")];
        let before = page(&machine, &all, "", &order).expect("a page");
        let one = [Row::new("query", "ms", 3.0, "serve")];
        assert_eq!(page(&machine, &one, &before, &order).expect("a page"), before.replace("2.00", "3.00"));
        let other = Machine { cores: 64, processor: "some".into(), memory_gigabytes: 24 };
        assert!(page(&other, &one, &before, &order).is_err(), "figures of two machines on one page");
        assert!(page(&other, &all, &before, &order).is_ok());
    }
}
