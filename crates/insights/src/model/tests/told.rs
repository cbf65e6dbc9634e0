//! Whoever waits for a report is told of every step how much of it is done.

use super::*;
use crate::context::Stage;

/// Stages that began, each with how much there was to do and how much was done.
#[derive(Default)]
pub(super) struct Told(Mutex<Vec<(Stage, usize, usize)>>);

impl Told {
    pub(super) fn stages(&self) -> Vec<(Stage, usize, usize)> {
        self.0.lock().expect("told").clone()
    }
}

impl Progress for Told {
    fn begin(&self, stage: Stage, total: usize) {
        self.0.lock().expect("told").push((stage, total, 0));
    }

    fn advance(&self, done: usize) {
        self.0.lock().expect("told").last_mut().expect("a stage").2 += done;
    }
}

#[tokio::test]
async fn steps_in_which_many_questions_are_asked_tell_how_many_and_none_goes_back() {
    let levels = || Shape::Levels(vec![6, 2]);
    for (tier, shape) in
        [(Tier::Names, Shape::Automatic), (Tier::Deep, Shape::Automatic), (Tier::Deep, levels())]
    {
        let script = Script::new(|request| match request.stage.as_ref() {
            "summarize" => {
                let text = &request.messages[0].text;
                let said =
                    text.lines().find_map(|line| line.split_once("user: ")).map_or("", |(_, said)| said);
                let read = json!({"urgent": false, "mood": "calm"});
                Line::Json(json!({"request": said, "summary": said, "evidence": [], "attributes": read}))
            }
            "arrange" => {
                let top = |name: &str| json!({"name": name, "description": "Some of them."});
                let place = |number: usize| json!({"number": number, "top": "Payment"});
                let placed: Vec<Value> = (1..=25).map(place).collect();
                let tops = ["Payment", "Access"].map(top);
                let is_proposal =
                    request.schema.as_ref().is_some_and(|schema| schema.name == "top_categories");
                Line::Json(if is_proposal { json!({"categories": tops}) } else { json!({"placed": placed}) })
            }
            _ => Line::Json(decent(request)),
        });
        let (config, told) = (ReportConfig { tier, shape: shape.clone(), ..deep() }, Told::default());
        let store = crate::test_corpus::store(VARIED).await;
        let report = watched_report_of(store, &script, &config, 4, None, &told).await.expect("a report");
        let stages = told.stages();
        assert!(stages.is_sorted_by_key(|(stage, ..)| *stage), "{stages:?}");
        assert!(stages.iter().all(|(_, total, done)| done == total), "{stages:?}");

        let calls = |stage: &str| {
            let stages = &report.made.model.as_ref().expect("books").stages;
            stages.iter().find(|one| one.stage == stage).map_or(0, |one| one.calls)
        };
        let total = |which: Stage| -> usize {
            stages.iter().filter(|(stage, ..)| *stage == which).map(|(_, total, _)| total).sum()
        };
        assert!(calls("name") > 0);
        assert_eq!(total(Stage::Name) + total(Stage::Arrange), calls("name"), "{tier:?}");
        assert_eq!(total(Stage::Arrange) > 0, shape == levels());
        assert_eq!(total(Stage::Merge), calls("merge"), "{tier:?}");
        assert_eq!(total(Stage::Assign), calls("assign"), "{tier:?}");
        assert_eq!(total(Stage::Merge) > 0, tier == Tier::Deep && shape == Shape::Automatic);
        assert_eq!(total(Stage::Summarize), if tier == Tier::Deep { VARIED.threads } else { 0 });
    }
}
