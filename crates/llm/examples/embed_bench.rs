//! Measures how many texts are embedded in a second.
//!
//! Run with `cargo run --release -p assay-llm --example embed_bench`.

use std::time::{Duration, Instant};

use assay_llm::{Embed, Error, MiniLm};

const WORDS: [&str; 12] =
    ["the", "agent", "asked", "for", "a", "new", "flight", "to", "paris", "and", "paid", "twice"];

fn main() -> Result<(), Error> {
    let start = Instant::now();
    let model = MiniLm::bundled()?;
    println!("{} loaded in {:.0?}", model.name(), start.elapsed());

    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for threads in [1, cores] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("a pool of as many threads as there are cores");
        for tokens in [10, 37, 256] {
            // Each word is one token, and two tokens are the model's own.
            let text = |first: usize| {
                let words = (first..first + tokens - 2).map(|word| WORDS[word * (first + 1) % WORDS.len()]);
                words.collect::<Vec<_>>().join(" ")
            };
            let texts: Vec<String> = (0..(20_000 / tokens).min(512)).map(text).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let rate = pool.install(|| best_rate(&model, &texts))?;
            println!("{threads} threads, {tokens:>3} tokens: {rate:>6.0} texts/s");
        }
    }
    Ok(())
}

/// The best of several passes: others may be using the machine.
fn best_rate(model: &MiniLm, texts: &[&str]) -> Result<f64, Error> {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        model.embed(texts)?;
        best = best.min(start.elapsed());
    }
    Ok(texts.len() as f64 / best.as_secs_f64())
}
