//! Many at once give the verdicts of one by one, on one thread and on two.

use std::num::NonZero;
use std::sync::LazyLock;

use idjag::{Issued, Refusal, Request};

use crate::world::{CLAIMS, CLIENT, HEADER, RESOURCE, engine, sign};

/// More than one chunk of the batch.
const MAX_REQUESTS: usize = 100;

/// What a request may present: some good, some of them with one `jti`, most of them wrong in one way.
static ASSERTIONS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let edited = |from: &str, to: &str| sign(HEADER.as_bytes(), CLAIMS.replace(from, to).as_bytes());
    let mut all: Vec<String> =
        (0..8).map(|jti| edited(r#""jti":"1""#, &format!(r#""jti":"{jti}""#))).collect();
    let good = edited("", "");
    all.extend([
        edited(r#""sub":"ada""#, r#""sub":"bob""#),
        edited("eng", "sales"),
        edited("auth.chat.example/", "auth.chat.example"),
        edited("1800000300", "1700000300"),
        edited("chat.write", "chat.write "),
        edited("acme", "globex"),
        format!("{good}A"),
        good.replace('.', ".."),
        good.chars().rev().collect(),
        String::new(),
    ]);
    all
});

/// Two bytes a request: which assertion, and how it asks.
pub fn batch_equals_single(data: &[u8]) {
    let requests: Vec<Request<'_>> = data
        .chunks_exact(2)
        .take(MAX_REQUESTS)
        .map(|byte| Request {
            assertion: ASSERTIONS[usize::from(byte[0]) % ASSERTIONS.len()].as_bytes(),
            client_id: [CLIENT, CLIENT, CLIENT, "other", "nobody"][usize::from(byte[1] & 7) % 5],
            resource: [&[] as &[&str], &[], &[RESOURCE], &["x"]][usize::from(byte[1] >> 3 & 3)],
            scope: [None, None, Some("chat.read"), Some("chat.write")][usize::from(byte[1] >> 5 & 3)],
            authorization_details: None,
        })
        .collect();
    let fresh = || engine().build().expect("an engine");

    let single = fresh();
    let expected: Vec<_> = requests.iter().map(|request| verdict(&single.exchange(request))).collect();
    for threads in [1, 2] {
        let batch = fresh();
        let answers = batch.exchange_many_on(&requests, NonZero::new(threads).expect("one or two"));
        assert_eq!(answers.iter().map(verdict).collect::<Vec<_>>(), expected, "{threads} threads");
        let (stats, one_by_one) = (batch.stats(), single.stats());
        assert_eq!((stats.granted, stats.refused), (one_by_one.granted, one_by_one.refused));
        assert_eq!(stats.replay.entries, one_by_one.replay.entries);
    }
}

/// The scope, or why not.
fn verdict(answer: &Result<Issued, Refusal>) -> Result<String, &'static str> {
    answer.as_ref().map(|issued| issued.scope().to_owned()).map_err(|refusal| refusal.slug())
}
