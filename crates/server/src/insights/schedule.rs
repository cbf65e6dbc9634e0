//! Schedules of saved configs: when a job is due, and making it.
//!
//! A due job has an id made from its config and the moment, so it exists once,
//! however many servers look. Of the moments that passed while no server ran,
//! only the latest is made up for. While a job of the config has not ended the
//! next is refused, and the refusal is kept with the schedule.

use std::str::FromStr as _;
use std::time::Duration;

use assay_domain::Time;
use assay_store::{Catalog as _, Change, Error, Records as _};
use chrono::Utc;
use chrono_tz::Tz;
use croner::Cron;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::configs::{self, SavedConfig};
use super::models::Offer;
use super::queue;
use super::request::{self, Occasion};
use crate::app::App;

/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_secs(2);
/// Moments looked at in order to find the latest that passed.
const MOST_MISSED: usize = 100_000;

/// When to make a job by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Five fields: minute, hour, day of month, month, day of week.
    pub cron: String,
    /// Name of a time zone, such as `Europe/Berlin`.
    pub zone: String,
    /// Moments until this one have been dealt with.
    pub after: Time,
    /// What became of the last moment, where no job was made of it.
    #[serde(default)]
    pub refused: Option<Refusal>,
}

/// A moment of which no job was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    pub due: Time,
    pub reason: String,
}

impl Schedule {
    /// When it runs: the usual forms in words, others as cron has them.
    #[must_use]
    pub fn words(&self) -> String {
        const DAYS: [&str; 8] =
            ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let parts: Vec<&str> = self.cron.split_whitespace().collect();
        let at = |minute: &str, hour: &str| {
            let (minute, hour) = (minute.parse::<u8>().ok()?, hour.parse::<u8>().ok()?);
            Some(format!("{hour:02}:{minute:02}"))
        };
        let words = match parts[..] {
            [minute, hour, "*", "*", "*"] => at(minute, hour).map(|at| format!("every day at {at}")),
            [minute, hour, "*", "*", day] => {
                let day = day.parse::<usize>().ok().and_then(|day| DAYS.get(day));
                at(minute, hour).zip(day).map(|(at, day)| format!("every {day} at {at}"))
            }
            _ => None,
        };
        format!("{} ({})", words.unwrap_or_else(|| self.cron.clone()), self.zone)
    }

    /// A schedule that begins now. `daily` is 08:00, `weekly` Monday 08:00.
    ///
    /// # Errors
    /// Says what is wrong with the expression or the zone.
    pub fn new(cron: &str, zone: Option<&str>, now: Time) -> Result<Self, String> {
        let cron = match cron.trim() {
            "daily" => "0 8 * * *",
            "weekly" => "0 8 * * 1",
            other => other,
        };
        let zone = zone.filter(|zone| !zone.is_empty()).unwrap_or("UTC").to_owned();
        let made = Self { cron: cron.to_owned(), zone, after: now, refused: None };
        made.next(now)?;
        Ok(made)
    }

    /// The first moment after this one.
    ///
    /// # Errors
    /// Says what is wrong with the expression or the zone, or that it never comes.
    pub fn next(&self, after: Time) -> Result<Time, String> {
        let (cron, zone) = self.parsed()?;
        let next = cron.find_next_occurrence(&after.with_timezone(&zone), false);
        let next = next.map_err(|error| format!("{:?} never comes: {error}", self.cron))?;
        Ok(next.with_timezone(&Utc))
    }

    /// The next moments, as many as there are.
    #[must_use]
    pub fn next_runs(&self, after: Time, count: usize) -> Vec<Time> {
        std::iter::successors(self.next(after).ok(), |last| self.next(*last).ok()).take(count).collect()
    }

    /// The latest moment that has come and was not dealt with.
    fn due(&self, now: Time) -> Result<Option<Time>, String> {
        let mut due = None;
        let mut after = self.after;
        for _ in 0..MOST_MISSED {
            let next = self.next(after)?;
            if next > now {
                break;
            }
            due = Some(next);
            after = next;
        }
        Ok(due)
    }

    fn parsed(&self) -> Result<(Cron, Tz), String> {
        if self.cron.split_whitespace().count() != 5 {
            return Err(format!(
                "{:?} is no schedule: write five fields (minute, hour, day, month, weekday), daily or weekly",
                self.cron
            ));
        }
        let cron = Cron::from_str(&self.cron)
            .map_err(|error| format!("{:?} is no cron expression: {error}", self.cron))?;
        let zone = Tz::from_str(&self.zone).map_err(|_| {
            format!("{:?} is no time zone: write a name such as Europe/Berlin or UTC", self.zone)
        })?;
        Ok((cron, zone))
    }
}

/// Makes what is due, until the server stops.
pub(super) async fn keep(app: App) {
    let stop = app.insights.stop.clone();
    while !stop.is_cancelled() {
        match configs::saved(&app.store, None).await {
            Ok(all) => {
                for config in all.into_iter().filter(|config| config.body.schedule.is_some()) {
                    if let Err(error) = look(&app, config, app.now()).await {
                        tracing::warn!(%error, "a scheduled job could not be made");
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "schedules could not be read"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

pub(super) async fn look(app: &App, config: SavedConfig, now: Time) -> Result<(), Error> {
    let due = match &config.body.schedule {
        Some(schedule) => schedule.due(now).map_err(Error::Invalid)?,
        None => None,
    };
    match due {
        Some(due) => make(app, config.id, due, now).await,
        None => Ok(()),
    }
}

/// Deals with a due moment: makes its job, or says why not.
async fn make(app: &App, config: Uuid, due: Time, now: Time) -> Result<(), Error> {
    let _alone = app.changing.lock().await;
    // As it is now: it may have been changed or deleted since it was looked at.
    let Some(mut config) = configs::by_id(&app.store, config).await? else { return Ok(()) };
    let refused = refusal(app, &config, due, now).await?.map(|reason| Refusal { due, reason });
    if let Some(Refusal { reason, .. }) = &refused {
        tracing::warn!(config.id = %config.id, %due, reason, "a scheduled job was refused");
    }
    if let Some(schedule) = &mut config.body.schedule {
        schedule.after = due;
        schedule.refused = refused;
    }
    app.store.change(vec![Change::Replace(config.record(now))]).await
}

/// Makes the job; the reason where it cannot be.
async fn refusal(app: &App, config: &SavedConfig, due: Time, now: Time) -> Result<Option<String>, Error> {
    let Some(project) = app.store.project_by_id(config.project).await? else {
        return Ok(Some("its project is gone".to_owned()));
    };
    let jobs = queue::list(&app.store, Some(project.id)).await?;
    let mut of_config = jobs.iter().filter(|entry| entry.job.saved_config == Some(config.id));
    if let Some(open) = of_config.find(|entry| !entry.state.status.is_final()) {
        return Ok(Some(format!("job {} of this config has not ended", open.job.id)));
    }
    let saved = Some((config.id, config.name.clone(), config.focus()));
    let offer = Offer::of(app).await?;
    let occasion = Occasion { project: &project, now, saved, due: Some(due), offer: &offer };
    let made = request::job(config.entries(), &occasion);
    let mut job = match made {
        Ok(job) => job,
        Err(error) => return Ok(Some(error.detail.to_string())),
    };
    job.id = Uuid::new_v5(&config.id, due.timestamp_micros().to_string().as_bytes());
    match queue::add(&app.store, &job).await {
        Ok(()) => app.insights.wake.notify_one(),
        // Another server made it.
        Err(Error::Conflict(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_schedules_are_told_in_words() {
        for (cron, words) in [
            ("daily", "every day at 08:00 (Europe/Berlin)"),
            ("weekly", "every Monday at 08:00 (Europe/Berlin)"),
            ("5 23 * * 0", "every Sunday at 23:05 (Europe/Berlin)"),
            ("0 8 1 * *", "0 8 1 * * (Europe/Berlin)"),
            ("*/5 * * * *", "*/5 * * * * (Europe/Berlin)"),
            ("0 8 * * 1-5", "0 8 * * 1-5 (Europe/Berlin)"),
        ] {
            let schedule = Schedule::new(cron, Some("Europe/Berlin"), Time::UNIX_EPOCH).expect(cron);
            assert_eq!(schedule.words(), words);
        }
    }
}
