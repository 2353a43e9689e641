//! What is around a daemon: targets with a page each, and a webhook that keeps what it is told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A server on loopback. It shows a page to whoever gets anything, and keeps the bodies of what is posted.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    page: Arc<Mutex<String>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl World {
    pub(crate) fn new(page: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let this = Self { address, page: Arc::new(Mutex::new(page.to_owned())), heard: Arc::default() };
        let server = this.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || server.serve(&stream));
            }
        });
        this
    }

    /// What the target shows from now on.
    pub(crate) fn show(&self, page: &str) {
        page.clone_into(&mut self.page.lock().expect("no one panics with it"));
    }

    /// Everything that was posted, each with its path.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no one panics with it").clone()
    }

    /// Answers one request, and hangs up.
    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut first = String::new();
        reader.read_line(&mut first).ok()?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let is_post = first.starts_with("POST");
        if is_post {
            let path = first.split(' ').nth(1).unwrap_or_default();
            let told = format!("{path} {}", String::from_utf8_lossy(&body));
            self.heard.lock().expect("no one panics with it").push(told);
        }
        let page = if is_post { String::new() } else { self.page.lock().expect("no one panics with it").clone() };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
        write!(&mut { stream }, "{head}Content-Length: {}\r\n\r\n{page}", page.len()).ok()
    }
}
