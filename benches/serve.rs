//! Serves the page of `pods/mod.rs` on loopback, for `compare.sh`: `serve PORT SERIES TARGETS`.
//!
//! Target `n` is at `/n/metrics` and has its share of the series. A page is made ahead of the request for it, so that a
//! scrape waits for its bytes only. It uses nothing but the standard library: `rustc -O` compiles it alone.

mod pods;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// The next page of a target.
struct Next {
    round: usize,
    page: String,
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>().expect("a number"));
    let mut next = || arguments.next().expect("PORT SERIES TARGETS");
    let (port, series, count) = (next(), next(), next());
    let port = u16::try_from(port).expect("a port");
    let each = series / count;
    let make = move |target: usize, round| pods::page(target * each / pods::SERIES_PER_POD, each, round);
    let targets: Vec<_> = (0..count).map(|it| Mutex::new(Next { round: 0, page: make(it, 0) })).collect();
    let targets = Arc::new(targets);
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    for stream in listener.incoming().flatten() {
        let targets = targets.clone();
        // Whoever asks may have gone: then there is nobody to answer.
        std::thread::spawn(move || drop(answer(&stream, &targets, &make)));
    }
}

fn answer(
    mut stream: &TcpStream,
    targets: &[Mutex<Next>],
    make: &impl Fn(usize, usize) -> String,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while let Some(line) = lines.next() {
        let line = line?;
        while !lines.next().transpose()?.unwrap_or_default().is_empty() {}
        let number = line.split('/').nth(1).and_then(|text| text.parse::<usize>().ok());
        let Some((number, target)) = number.and_then(|number| Some((number, targets.get(number)?))) else {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")?;
            continue;
        };
        let mut target = target.lock().unwrap_or_else(PoisonError::into_inner);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length";
        stream.write_all(format!("{head}: {}\r\n\r\n", target.page.len()).as_bytes())?;
        stream.write_all(target.page.as_bytes())?;
        target.round += 1;
        target.page = make(number, target.round);
    }
    Ok(())
}
