//! The limiter under a clock that only moves when everybody waits.

use super::*;

fn limits(concurrency: usize) -> Limits {
    Limits { concurrency, ..Limits::default() }
}

fn answered(permit: Permit) {
    permit.leave(&Outcome::Answered { tokens: 0 }, &Hints::default());
}

fn failed(permit: Permit) -> Option<Outage> {
    permit.leave(&Outcome::Failed { cause: "connection refused", connected: true }, &Hints::default())
}

/// Whether somebody gets in without anything happening.
async fn enters(share: &Share) -> Option<Permit> {
    tokio::time::timeout(Duration::from_millis(1), share.enter(0)).await.ok()?.ok()
}

#[tokio::test(start_paused = true)]
async fn no_more_are_in_at_once_than_allowed() {
    let limiter = Limiter::new(&limits(2));
    let share = limiter.share(1);
    let first = enters(&share).await.expect("a place");
    let _second = enters(&share).await.expect("a place");
    assert!(enters(&share).await.is_none());
    answered(first);
    let third = enters(&share).await.expect("a place again");
    drop(third);
    assert!(enters(&share).await.is_some(), "a cancelled call gives its place back");
}

#[tokio::test(start_paused = true)]
async fn places_go_round_the_jobs_by_weight() {
    let limiter = Limiter::new(&limits(1));
    let order = Arc::new(Mutex::new(Vec::new()));
    let hold = limiter.share(1);
    let door = hold.enter(0).await.expect("a place");
    let mut calls = tokio::task::JoinSet::new();
    for (name, weight, count) in [("long", 1, 60), ("heavy", 2, 60), ("short", 1, 10)] {
        let share = Arc::new(limiter.share(weight));
        for _ in 0..count {
            let (share, order) = (share.clone(), order.clone());
            calls.spawn(async move {
                let permit = share.enter(0).await.expect("a place");
                order.lock().expect("no panic").push(name);
                answered(permit);
            });
        }
    }
    // Everybody stands in line before the door opens.
    tokio::time::sleep(Duration::from_secs(1)).await;
    answered(door);
    while calls.join_next().await.is_some() {}
    let order = order.lock().expect("no panic");
    let among = |count: usize, name: &str| order.iter().take(count).filter(|one| **one == name).count();
    assert_eq!((among(40, "long"), among(40, "heavy"), among(40, "short")), (10, 20, 10));
    assert_eq!(order.len(), 130);
}

#[tokio::test(start_paused = true)]
async fn requests_keep_to_the_minute_that_the_provider_names() {
    let limiter = Limiter::new(&limits(50));
    let share = limiter.share(1);
    let said = Hints {
        requests: crate::chat::Allowance { limit: Some(60), remaining: Some(0), reset: None },
        ..Hints::default()
    };
    let first = share.enter(0).await.expect("a place");
    first.leave(&Outcome::Answered { tokens: 0 }, &said);
    let start = Instant::now();
    for _ in 0..30 {
        answered(share.enter(0).await.expect("a place"));
    }
    let seconds = start.elapsed().as_secs_f64();
    assert!((29.0..31.0).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn the_door_narrows_when_many_are_sent_away_and_widens_again() {
    let limiter = Limiter::new(&limits(16));
    let share = limiter.share(1);
    let hints = Hints { retry_after: Some(Duration::from_secs(3)), ..Hints::default() };
    let one = share.enter(0).await.expect("a place");
    one.leave(&Outcome::TooMany, &hints);
    assert_eq!(limiter.window(), 16, "one alone is its own business");
    let mut inside = Vec::new();
    for _ in 0..5 {
        inside.push(share.enter(0).await.expect("a place"));
    }
    for permit in inside {
        permit.leave(&Outcome::TooMany, &hints);
    }
    assert_eq!(limiter.window(), 8);
    let start = Instant::now();
    answered(share.enter(0).await.expect("a place"));
    assert!(start.elapsed() >= Duration::from_secs(3), "all of them pause");
    for _ in 0..200 {
        answered(share.enter(0).await.expect("a place"));
    }
    assert_eq!(limiter.window(), 16);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_probed_by_one_call_at_a_time_until_it_ends() {
    let limiter = Limiter::new(&limits(8));
    let share = limiter.share(1);
    for _ in 0..5 {
        failed(share.enter(0).await.expect("a place"));
    }
    assert!(enters(&share).await.is_none(), "everybody waits now");
    let probe = share.enter(0).await.expect("a probe");
    assert!(probe.is_probe());
    assert!(enters(&share).await.is_none(), "one at a time");
    assert_eq!(failed(probe), None);
    let probe = share.enter(0).await.expect("another probe");
    answered(probe);
    assert!(enters(&share).await.is_some_and(|permit| !permit.is_probe()));
}

#[tokio::test(start_paused = true)]
async fn a_total_outage_is_told_to_everybody_who_waits() {
    let limiter = Limiter::new(&Limits { patience: Duration::from_secs(30), ..limits(8) });
    let share = Arc::new(limiter.share(1));
    for _ in 0..5 {
        failed(share.enter(0).await.expect("a place"));
    }
    let start = Instant::now();
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let share = share.clone();
            tokio::spawn(async move {
                loop {
                    match share.enter(0).await {
                        Ok(probe) => {
                            if let Some(outage) = failed(probe) {
                                return outage;
                            }
                        }
                        Err(outage) => return outage,
                    }
                }
            })
        })
        .collect();
    for one in waiting {
        let outage = one.await.expect("no panic");
        assert_eq!(outage.cause, "connection refused");
        assert!(outage.lasted >= Duration::from_secs(30) && outage.lasted < Duration::from_secs(40));
    }
    assert!(start.elapsed() < Duration::from_secs(40));
    assert!(share.enter(0).await.is_err(), "who comes now is told at once");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let probe = share.enter(0).await.expect("who comes later may find it back");
    assert!(probe.is_probe());
}

/// Asks until it is told that there is no use, refused each time; how long that took.
async fn refused_until_told(limiter: &Limiter) -> (Duration, Outage) {
    let (share, start) = (limiter.share(1), Instant::now());
    loop {
        let outage = match share.enter(0).await {
            Ok(permit) => {
                let refused = Outcome::Failed { cause: "connection refused", connected: false };
                permit.leave(&refused, &Hints::default())
            }
            Err(outage) => Some(outage),
        };
        if let Some(outage) = outage {
            return (start.elapsed(), outage);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_where_nobody_was_ever_heard_is_given_up_within_seconds() {
    let (took, outage) = refused_until_told(&Limiter::new(&limits(8))).await;
    assert!(took >= Duration::from_secs(5) && took <= Duration::from_secs(10), "{took:?}");
    assert!(outage.unheard && outage.cause == "connection refused", "{outage:?}");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_was_heard_once_if_only_to_say_it_is_busy_is_waited_for() {
    for answers in [true, false] {
        let limiter = Limiter::new(&limits(8));
        let permit = limiter.share(1).enter(0).await.expect("a place");
        if answers {
            answered(permit)
        } else {
            drop(failed(permit))
        }
        let (took, outage) = refused_until_told(&limiter).await;
        assert!(took >= limits(8).patience && !outage.unheard, "{took:?} {outage:?}");
    }
    // Another model of the address, or an earlier job, heard it.
    let heard = Arc::new(AtomicBool::new(true));
    let (took, _) = refused_until_told(&Limiter::hearing(&limits(8), heard)).await;
    assert!(took >= limits(8).patience, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_cancelled_does_not_close_the_door_for_good() {
    let limiter = Limiter::new(&limits(8));
    let share = limiter.share(1);
    for _ in 0..5 {
        failed(share.enter(0).await.expect("a place"));
    }
    drop(share.enter(0).await.expect("a probe"));
    assert!(enters(&share).await.is_some_and(|permit| permit.is_probe()));
}
