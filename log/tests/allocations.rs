//! Heap allocations of one event, by Rust's allocator, once everything is warm.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::time::Duration;

use allocation_counter::measure;
use idjag::{Durability, Event, Record};
use idjag_log::{Log, Options};

#[test]
fn an_event_allocates_nothing() {
    let dir = std::env::temp_dir().join(format!("idjag-log-allocations-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let options = Options { durability: Durability::Async, ..Options::of("https://auth.chat.example/") };
    let log = Log::open(&dir, &options).unwrap();
    let mut event = Event::default();
    let groups = ["all", "eng-mobile"];
    (event.issuer, event.subject, event.client_id) =
        ("https://acme.okta.example", "00uOeYTWHrpeOGJn6bxJ", "agent");
    (event.scope_granted, event.rule, event.groups_matched) =
        ("read write", Some(("policy.toml", 12)), &groups);
    let queue = |count: u32| {
        for _ in 0..count {
            log.queue(&event).unwrap();
        }
    };
    // Both buffers of the queue have to have been as full as they will be.
    for _ in 0..20 {
        queue(200);
        std::thread::sleep(Duration::from_millis(10));
    }
    // This thread's allocations are counted, not the writer's.
    let counted = measure(|| queue(100));
    assert_eq!(counted.count_total, 0);
    drop(log);
    let _ = std::fs::remove_dir_all(&dir);
}
