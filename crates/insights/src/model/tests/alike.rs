//! Threads that say the same are read once.

use super::*;

const TIMES: usize = 8;

/// Every wording so many times, each time with another number, and one wording with a word more.
fn repeated() -> impl Iterator<Item = (&'static str, String)> {
    let once =
        TOPICS.iter().flat_map(|(topic, wordings)| wordings.iter().map(move |wording| (*topic, wording)));
    let times = (0..TIMES).flat_map(move |time| {
        once.clone().map(move |(topic, wording)| (topic, format!("{wording}, number {}", 4_000 + time * 17)))
    });
    let (topic, wordings) = TOPICS[0];
    times.chain(std::iter::once((topic, format!("{}, parcel number 4000", wordings[0]))))
}

#[tokio::test]
async fn threads_that_differ_only_in_numbers_are_summarized_once() {
    for concurrency in [1, 20] {
        let script = Script::new(|request| Line::Json(decent(request)));
        let report = report_of(store_of(repeated()).await, &script, &deep(), concurrency, None)
            .await
            .expect("a report");
        let asked = script.asked().iter().filter(|request| request.stage == "summarize").count();
        assert_eq!(asked, 10, "nine wordings, and the one with a word more");

        let work = report.made.model.as_ref().expect("books");
        let calls = work.stages.iter().find(|stage| stage.stage == "summarize").expect("a stage").calls;
        assert_eq!((calls, work.threads_read), (10, 9 * TIMES + 1));
        assert_eq!(work.threads_alike, 9 * (TIMES - 1));
        // All of them have the words of the one that was read, and only that one its quotes.
        assert_eq!(report.assignments.len(), 9 * TIMES + 1);
        assert!(report.assignments.iter().all(|one| one.summary.starts_with("The person needs help")));
        assert_eq!(report.assignments.iter().filter(|one| !one.evidence.is_empty()).count(), 10);
    }
}
