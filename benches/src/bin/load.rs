//! The same request over and over, with another body each time: `load HOST:PORT PATH BODIES CONNECTIONS [AUTHORIZATION]`.
//!
//! For `make bench-python`, which needs a load that costs less than what it measures. HTTP/1.1 over connections that stay
//! open; each has a thread. Prints one JSON object.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use idjag_benches::Failure;

/// What one connection saw: times in microseconds, and how many answers were 200.
type Seen = (Vec<u64>, usize);

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, path, bodies, connections, rest @ ..] = arguments.as_slice() else {
        return Err("load HOST:PORT PATH BODIES CONNECTIONS [AUTHORIZATION]".into());
    };
    let bodies = std::fs::read_to_string(bodies)?;
    let authorization = rest.first().map_or(String::new(), |value| format!("authorization: {value}\r\n"));
    let requests: Vec<String> = bodies
        .lines()
        .map(|body| {
            format!(
                "POST {path} HTTP/1.1\r\nhost: {address}\r\n{authorization}content-type: \
                 application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        })
        .collect();
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let seen: Vec<std::io::Result<Seen>> = thread::scope(|scope| {
        let connect = || connection(address, &requests, &next);
        let threads: Vec<_> = (0..connections.parse().unwrap_or(1)).map(|_| scope.spawn(connect)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(std::io::Error::other("a thread is gone"))))
            .collect()
    });
    let seconds = start.elapsed().as_secs_f64();
    let (mut times, mut ok) = (Vec::new(), 0);
    for one in seen {
        let (theirs, good) = one?;
        times.extend(theirs);
        ok += good;
    }
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let rate = times.len() as f64 / seconds;
    println!(
        "{{\"requests\":{},\"ok\":{ok},\"per_second\":{rate:.0},\"p50_us\":{},\"p99_us\":{}}}",
        times.len(),
        at(50),
        at(99)
    );
    Ok(())
}

fn connection(address: &str, requests: &[String], next: &AtomicUsize) -> std::io::Result<Seen> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut times, mut ok, mut line, mut body) = (Vec::new(), 0, String::new(), Vec::new());
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        let start = Instant::now();
        stream.write_all(request.as_bytes())?;
        line.clear();
        reader.read_line(&mut line)?;
        ok += usize::from(line.contains(" 200 "));
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Err(std::io::Error::other("the server closed the connection"));
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        times.push(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok((times, ok))
}
