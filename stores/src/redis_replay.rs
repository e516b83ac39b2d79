//! Redis or Valkey, which several hosts share.
//!
//! A claim is one `SET .. NX PX`, which the server does at once or not at all; a batch goes out in one piece, and is answered
//! in one. An answer that does not come in time is none, and so is every answer of a server that may have forgotten. Such a
//! one is found by a mark that is kept beside the claims: the server's own name for its run, and since when it remembers. It
//! is read after the claims of each call. Where it is missing (the data was flushed), or is that of another run (the server
//! was started anew, or a replica took over), nothing counts until a new mark says that memory begins now; the engine
//! refuses what was issued before.
//!
//! What expires is taken out by the server, by its own clock.

use std::fmt;
use std::process;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use idjag::{Board, BoardUnavailable, Claim, Claimed, Notice, ReplayKey, ReplayStats, ReplayStore};
use parking_lot::Mutex;
use redis::{Client, Connection, ConnectionLike, ErrorKind, IntoConnectionInfo, Pipeline, RedisError, Value};

/// Commands that go out in one piece.
const PIECE: usize = 512;
/// Connections that wait for the next call.
const IDLE: usize = 64;
/// After a failure nobody tries again for this long: what waits would wait for the same.
const PAUSE: Duration = Duration::from_millis(200);
/// No claim holds longer: a hundred years, in seconds.
const LONGEST_S: i64 = 100 * 366 * 86_400;

/// Where the server is, and how it is used.
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// `redis://[user@]host[:port][/database]` or `unix:///path`.
    pub url: String,
    /// The password, where there is one.
    pub password: Option<String>,
    /// What every key begins with: who gives the same shares the memory.
    pub prefix: String,
    /// How long is waited for a connection, and for an answer.
    pub timeout: Duration,
}

/// Single use for several hosts (`store = "redis"`). Used by any number of threads, each with a connection of its own.
///
/// A claim costs the way to the server and back, a batch of them the same once.
pub struct RedisReplay {
    client: Client,
    prefix: String,
    timeout: Duration,
    process: u32,
    began: AtomicI64,
    state: Mutex<State>,
}

struct State {
    idle: Vec<Live>,
    /// The server's name for the run that was talked to last.
    run: Option<String>,
    retry_at: Option<Instant>,
}

/// A connection, and the mark that was there when it was made.
struct Live {
    connection: Connection,
    mark: String,
}

/// Why a server is not used.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// It does not answer: it may later.
    Away,
    /// It answers, and would not keep what it promises.
    Unfit(String),
}

impl Settings {
    /// The server at `url` without a password, for keys that begin with `prefix`; half a second for an answer.
    pub fn new(url: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self { url: url.into(), password: None, prefix: prefix.into(), timeout: Duration::from_millis(500) }
    }
}

impl RedisReplay {
    /// The store at the server that `settings` name. A server that is out of reach is no error: claims are unavailable until
    /// it is there. `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// The URL or the password is not accepted, or the server would forget: it evicts keys when it is full, is a replica, or
    /// a part of a cluster.
    pub fn open(settings: &Settings, now: i64) -> Result<Self, String> {
        let info = settings.url.as_str().into_connection_info().map_err(|why| why.to_string())?;
        let mut redis = info.redis_settings().clone().set_skip_set_lib_name();
        if let Some(password) = &settings.password {
            redis = redis.set_password(password);
        }
        let client = Client::open(info.set_redis_settings(redis)).map_err(|why| why.to_string())?;
        let store = Self {
            client,
            prefix: settings.prefix.clone(),
            timeout: settings.timeout,
            process: process::id(),
            // Until a server has said it: what is too old is refused then, and not before.
            began: AtomicI64::new(i64::MIN),
            state: Mutex::new(State { idle: Vec::new(), run: None, retry_at: None }),
        };
        match store.connect(now) {
            Ok(live) => store.give_back(live),
            Err(Unusable::Unfit(why)) => return Err(why),
            Err(Unusable::Away) => {}
        }
        Ok(store)
    }

    /// A connection that waits, or a new one. `None` where the last try failed just now.
    fn take(&self, now: i64) -> Option<Live> {
        // After a fork, parent and child would read each other's answers.
        if process::id() != self.process {
            return None;
        }
        {
            let mut state = self.state.lock();
            if let Some(live) = state.idle.pop() {
                return Some(live);
            }
            if state.retry_at.is_some_and(|at| Instant::now() < at) {
                return None;
            }
        }
        let live = self.connect(now).ok();
        if live.is_none() {
            self.failed();
        }
        live
    }

    fn give_back(&self, live: Live) {
        let mut state = self.state.lock();
        let is_of_this_run = state.run.as_deref().is_some_and(|run| read_mark(&live.mark, run).is_some());
        if is_of_this_run && state.idle.len() < IDLE {
            state.idle.push(live);
        }
    }

    /// Those that wait are likely to be broken as well.
    fn failed(&self) {
        let mut state = self.state.lock();
        state.idle.clear();
        state.retry_at = Some(Instant::now() + PAUSE);
    }

    /// Connects, looks whether the server can be relied on, and since when it remembers.
    fn connect(&self, now: i64) -> Result<Live, Unusable> {
        let mut connection = self.client.get_connection_with_timeout(self.timeout)?;
        connection.set_read_timeout(Some(self.timeout))?;
        connection.set_write_timeout(Some(self.timeout))?;
        let info: String = redis::cmd("INFO").query(&mut connection)?;
        let run = reliable_run(&info)?;
        let key = self.key(MARK);
        let (found,): (Option<String>,) = redis::pipe().cmd("GET").arg(&key).query(&mut connection)?;

        // Another server than the one before may not have what that one had, even if it has been running all the time.
        let is_another = self.state.lock().run.as_deref().is_some_and(|before| before != run);
        let mark = if let Some(mark) = found.filter(|mark| !is_another && read_mark(mark, run).is_some()) {
            mark
        } else {
            // Of several that do so at once the last one counts, and the others find out with their first claims.
            let mark = format!("{run} {now}");
            redis::cmd("SET").arg(&key).arg(&mark).exec(&mut connection)?;
            mark
        };
        let began = read_mark(&mark, run).unwrap_or(now);

        let mut state = self.state.lock();
        // Before any claim of what is there now, and no claim of what was there before from now on.
        if state.run.is_none() {
            self.began.store(began, Ordering::SeqCst);
        } else {
            self.began.fetch_max(began, Ordering::SeqCst);
        }
        if state.run.as_deref() != Some(run) {
            state.idle.clear();
            state.run = Some(run.to_owned());
        }
        state.retry_at = None;
        Ok(Live { connection, mark })
    }

    fn key(&self, name: &[u8]) -> Vec<u8> {
        [self.prefix.as_bytes(), name].concat()
    }

    /// The answers to `commands`, if the mark is still there after them.
    fn ask(&self, commands: &mut Pipeline, now: i64) -> Option<Vec<Value>> {
        let mut live = self.take(now)?;
        commands.cmd("GET").arg(self.key(MARK));
        let answered: Result<Vec<Value>, RedisError> = commands.query(&mut live.connection);
        match answered {
            Ok(mut values) if values.len() == commands.len() => {
                let mark = values.pop();
                if !matches!(mark, Some(Value::BulkString(mark)) if mark == live.mark.as_bytes()) {
                    // All have to look again since when there is memory.
                    self.state.lock().idle.clear();
                    return None;
                }
                if live.connection.is_open() {
                    self.give_back(live);
                }
                Some(values)
            }
            _ => {
                self.failed();
                None
            }
        }
    }
}

/// The keys of the mark, of the notices, and of the number of their last change. Those of claims have 16 bytes.
const MARK: &[u8] = b"began";
const NOTICES: &[u8] = b"notices";
const CHANGE: &[u8] = b"change";

/// Since when, if `mark` is one of the `run`.
fn read_mark(mark: &str, run: &str) -> Option<i64> {
    mark.strip_prefix(run)?.strip_prefix(' ')?.parse().ok()
}

/// The server's name for its run, if it keeps what it is given until that expires.
fn reliable_run(info: &str) -> Result<&str, Unusable> {
    let said =
        |name: &str| info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'));
    let unfit = |why: &str| Err(Unusable::Unfit(why.to_owned()));
    if said("cluster_enabled") == Some("1") {
        return unfit("the server is a part of a cluster, which is not supported; name one that is none");
    }
    if said("role") != Some("master") {
        return unfit("the server is a replica; name the one that is written to");
    }
    let policy = said("maxmemory_policy").unwrap_or_default();
    if policy != "noeviction" {
        return Err(Unusable::Unfit(format!(
            "the server forgets keys when it is full (`maxmemory-policy` is `{policy}`); it has to be `noeviction`"
        )));
    }
    if said("loading") == Some("1") {
        return Err(Unusable::Away);
    }
    let run = said("run_id").filter(|run| !run.is_empty());
    run.ok_or_else(|| Unusable::Unfit("the server does not name its run (`run_id`)".to_owned()))
}

impl From<RedisError> for Unusable {
    fn from(error: RedisError) -> Self {
        // What the server says of us stays so.
        let is_ours = error.kind() == ErrorKind::AuthenticationFailed
            || error.kind() == ErrorKind::InvalidClientConfig
            || error.code().is_some_and(|code| ["NOAUTH", "WRONGPASS", "NOPERM"].contains(&code));
        if is_ours { Self::Unfit(error.to_string()) } else { Self::Away }
    }
}

impl ReplayStore for RedisReplay {
    fn claim(&self, claims: &[Claim], now: i64, out: &mut [Claimed]) {
        out.fill(Claimed::Unavailable);
        for (claims, out) in claims.chunks(PIECE).zip(out.chunks_mut(PIECE)) {
            let mut commands = Pipeline::with_capacity(claims.len() + 1);
            for claim in claims {
                // The second of the claim counts, and so does the last one, to its end.
                let holds_s = claim.expires_at.saturating_sub(now).clamp(0, LONGEST_S) + 1;
                let key = self.key(claim.key.as_bytes());
                commands.cmd("SET").arg(key).arg(1).arg("NX").arg("PX").arg(holds_s.saturating_mul(1_000));
            }
            let Some(answers) = self.ask(&mut commands, now) else {
                return;
            };
            for (claimed, answer) in out.iter_mut().zip(answers) {
                *claimed = match answer {
                    Value::Okay => Claimed::First,
                    Value::Nil => Claimed::Seen,
                    _ => Claimed::Unavailable,
                };
            }
        }
    }

    fn seen(&self, key: &ReplayKey, now: i64) -> Claimed {
        let mut commands = Pipeline::new();
        commands.cmd("EXISTS").arg(self.key(key.as_bytes()));
        match self.ask(&mut commands, now).as_deref() {
            Some([Value::Int(0)]) => Claimed::First,
            Some([Value::Int(_)]) => Claimed::Seen,
            _ => Claimed::Unavailable,
        }
    }

    /// Asks the server: all its keys, what it takes, and its `maxmemory` (0: it has none). All zero where it is out of reach.
    fn stats(&self) -> ReplayStats {
        let mut commands = Pipeline::new();
        commands.cmd("DBSIZE").cmd("INFO").arg("memory");
        let answers = self.ask(&mut commands, self.began.load(Ordering::SeqCst)).unwrap_or_default();
        let (entries, info) = match answers.as_slice() {
            [Value::Int(entries), Value::BulkString(info)] => (*entries, String::from_utf8_lossy(info)),
            _ => (0, "".into()),
        };
        let number = |name: &str| {
            let line = info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        ReplayStats {
            entries: entries.unsigned_abs(),
            bytes: number("used_memory"),
            max_bytes: number("maxmemory"),
        }
    }

    fn remembers_since(&self) -> Option<i64> {
        Some(self.began.load(Ordering::SeqCst))
    }

    fn board(&self) -> Option<&dyn Board> {
        Some(self)
    }
}

impl Board for RedisReplay {
    fn post(&self, notice: &Notice, now: i64) -> Result<(), BoardUnavailable> {
        let text = [&notice.expires_at.to_be_bytes()[..], &notice.text].concat();
        let mut commands = Pipeline::new();
        commands.cmd("HSET").arg(self.key(NOTICES)).arg(notice.key.as_bytes()).arg(text);
        commands.cmd("INCR").arg(self.key(CHANGE));
        match self.ask(&mut commands, now).as_deref() {
            Some([Value::Int(_), Value::Int(_)]) => Ok(()),
            _ => Err(BoardUnavailable),
        }
    }

    fn read(&self, known: Option<u64>, now: i64) -> Result<Option<(u64, Vec<Notice>)>, BoardUnavailable> {
        let mut commands = Pipeline::new();
        commands.cmd("GET").arg(self.key(CHANGE));
        let answers = self.ask(&mut commands, now).ok_or(BoardUnavailable)?;
        let change = number(answers.first())?;
        if known == Some(change) {
            return Ok(None);
        }
        // The number first: what comes in between is read again.
        commands.clear();
        commands.cmd("GET").arg(self.key(CHANGE)).cmd("HGETALL").arg(self.key(NOTICES));
        let mut answers = self.ask(&mut commands, now).ok_or(BoardUnavailable)?;
        let all = answers.pop().ok_or(BoardUnavailable)?;
        let change = number(answers.first())?;
        let all: Vec<(Vec<u8>, Vec<u8>)> = redis::from_redis_value(all).map_err(|_| BoardUnavailable)?;
        let (mut notices, mut over) = (Vec::new(), Vec::new());
        for (key, bytes) in all {
            let (Ok(id), Some((until, text))) =
                (<[u8; 16]>::try_from(key.as_slice()), bytes.split_at_checked(8))
            else {
                continue;
            };
            let expires_at = until.try_into().map_or(i64::MAX, i64::from_be_bytes);
            if expires_at < now {
                over.push(key);
            } else {
                notices.push(Notice { key: ReplayKey::from_bytes(id), text: text.to_owned(), expires_at });
            }
        }
        if !over.is_empty() {
            commands.clear();
            commands.cmd("HDEL").arg(self.key(NOTICES)).arg(over);
            // Whoever reads next may do it as well.
            let _ = self.ask(&mut commands, now);
        }
        Ok(Some((change, notices)))
    }
}

/// The number of the last change; none was made at first.
fn number(answer: Option<&Value>) -> Result<u64, BoardUnavailable> {
    match answer {
        Some(Value::Nil) => Ok(0),
        Some(Value::BulkString(text)) => {
            str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(BoardUnavailable)
        }
        _ => Err(BoardUnavailable),
    }
}

impl fmt::Debug for RedisReplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisReplay").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &self.url)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Server\r\nrun_id:abc\r\n# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n\
                        # Persistence\r\nloading:0\r\n# Replication\r\nrole:master\r\n# Cluster\r\ncluster_enabled:0\r\n";

    #[test]
    fn a_server_that_would_forget_is_unfit() {
        assert_eq!(reliable_run(INFO).unwrap(), "abc");
        for (from, to, why) in [
            (
                "noeviction",
                "allkeys-lru",
                "forgets keys when it is full (`maxmemory-policy` is `allkeys-lru`)",
            ),
            ("maxmemory_policy", "policy", "`maxmemory-policy` is ``"),
            ("role:master", "role:slave", "is a replica"),
            ("cluster_enabled:0", "cluster_enabled:1", "a part of a cluster"),
            ("run_id:abc", "run_id:", "does not name its run"),
        ] {
            let said = INFO.replace(from, to);
            assert!(matches!(reliable_run(&said), Err(Unusable::Unfit(said)) if said.contains(why)), "{why}");
        }
        let loading = INFO.replace("loading:0", "loading:1");
        assert!(matches!(reliable_run(&loading), Err(Unusable::Away)));
    }

    #[test]
    fn a_mark_is_of_one_run() {
        assert_eq!(read_mark("abc 17", "abc"), Some(17));
        for mark in ["abc", "abc ", "abcd 17", "ab 17", "abc 17 ", "17", ""] {
            assert_eq!(read_mark(mark, "abc"), None, "{mark:?}");
        }
    }
}
