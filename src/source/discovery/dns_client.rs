//! Asks the servers of `/etc/resolv.conf` about names, over UDP and, when an answer does not fit, over TCP.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::dns_message::{Answer, Code, DATAGRAM_MAX, DnsRecord, MessageError, Response, question, response};

/// The port of name servers.
const PORT: u16 = 53;
/// How long a server may take, unless `resolv.conf` says otherwise, and at most.
const TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT_MAX: Duration = Duration::from_secs(30);
/// So many servers and search domains are used, as by the C library.
const SERVERS_MAX: usize = 3;
const SEARCH_MAX: usize = 6;

/// Whom to ask, and how names are completed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Resolver {
    pub(super) servers: Vec<SocketAddr>,
    search: Vec<String>,
    /// A name with so many dots is asked for as it is first.
    dots: usize,
    timeout: Duration,
}

/// Why a name could not be looked up.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    #[error("`{name}` at {server}")]
    Ask { name: String, server: SocketAddr, source: AskError },
    #[error("`{name}`")]
    Name { name: String, source: MessageError },
}

#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error("the server answered with code {0}")]
    Code(u8),
}

impl Resolver {
    /// Reads what stands in `resolv.conf`; without a server the one of this host is asked.
    pub(super) fn parse(text: &str) -> Self {
        let mut resolver = Self { servers: Vec::new(), search: Vec::new(), dots: 1, timeout: TIMEOUT };
        for line in text.lines() {
            let mut words = line.split(['#', ';']).next().unwrap_or_default().split_whitespace();
            match words.next() {
                Some("nameserver") => resolver.servers.extend(words.next().and_then(server)),
                Some("search" | "domain") => {
                    resolver.search =
                        words.map(|name| name.trim_end_matches('.').to_owned()).take(SEARCH_MAX).collect();
                }
                Some("options") => {
                    for option in words {
                        let number = |name: &str| option.strip_prefix(name).and_then(|text| text.parse::<u64>().ok());
                        if let Some(dots) = number("ndots:") {
                            resolver.dots = usize::try_from(dots).unwrap_or(1).min(15);
                        } else if let Some(seconds) = number("timeout:") {
                            resolver.timeout = Duration::from_secs(seconds.max(1)).min(TIMEOUT_MAX);
                        }
                    }
                }
                _ => {}
            }
        }
        resolver.servers.truncate(SERVERS_MAX);
        if resolver.servers.is_empty() {
            resolver.servers.push((Ipv4Addr::LOCALHOST, PORT).into());
        }
        resolver
    }

    /// The names to ask for, in order.
    fn names(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let mut names: Vec<String> = self.search.iter().map(|domain| format!("{name}.{domain}")).collect();
        let place = if name.matches('.').count() >= self.dots { 0 } else { names.len() };
        names.insert(place, name.to_owned());
        names
    }

    /// What the first server that knows says about a name. A name that there is not has no records; that is no error.
    pub(super) async fn look_up(&self, name: &str, record: DnsRecord) -> Result<Vec<Answer>, LookupError> {
        let mut failure = None;
        let mut is_known = false;
        for name in self.names(name) {
            match self.ask_any(&name, record).await {
                Ok(answers) if !answers.is_empty() => return Ok(answers),
                Ok(_) => is_known = true,
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            // One that failed may have known more.
            Some(error) => Err(error),
            None => {
                debug_assert!(is_known, "at least the name itself was asked for");
                Ok(Vec::new())
            }
        }
    }

    async fn ask_any(&self, name: &str, record: DnsRecord) -> Result<Vec<Answer>, LookupError> {
        let mut failure = None;
        for server in &self.servers {
            let asked = tokio::time::timeout(self.timeout, ask(*server, name, record)).await;
            let source = match asked {
                Ok(Ok(Response { code: Code::Success | Code::NoName, mut answers, .. })) => {
                    answers.sort();
                    answers.dedup();
                    return Ok(answers);
                }
                Ok(Ok(Response { code: Code::Failure(code), .. })) => AskError::Code(code),
                Ok(Err(AskError::Message(source @ MessageError::Name))) => {
                    return Err(LookupError::Name { name: name.to_owned(), source });
                }
                Ok(Err(error)) => error,
                Err(_) => AskError::Timeout(self.timeout),
            };
            failure = Some(LookupError::Ask { name: name.to_owned(), server: *server, source });
        }
        Err(failure.unwrap_or(LookupError::Name { name: name.to_owned(), source: MessageError::Other }))
    }
}

fn server(text: &str) -> Option<SocketAddr> {
    // A zone, as in `fe80::1%eth0`, is not looked at.
    let address: IpAddr = text.split('%').next()?.parse().ok()?;
    Some((address, PORT).into())
}

async fn ask(server: SocketAddr, name: &str, record: DnsRecord) -> Result<Response, AskError> {
    // Nobody else must be able to guess it.
    let id = (RandomState::new().hash_one(name) & 0xffff) as u16;
    let question = question(id, name, record)?;
    let answer = by_datagram(server, &question, id, name, record).await?;
    if !answer.is_truncated {
        return Ok(answer);
    }
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(|_| MessageError::Name)?;
    stream.write_all(&[&length.to_be_bytes(), question.as_slice()].concat()).await?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).await?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).await?;
    Ok(response(&message, id, name, record)?)
}

async fn by_datagram(
    server: SocketAddr,
    question: &[u8],
    id: u16,
    name: &str,
    record: DnsRecord,
) -> Result<Response, AskError> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut message = vec![0; usize::from(DATAGRAM_MAX)];
    loop {
        let length = socket.recv(&mut message).await?;
        match response(&message[..length], id, name, record) {
            // Late, or from somebody who guesses.
            Err(MessageError::Other) => {}
            answer => return Ok(answer?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dns_message::tests::{reply, service};
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn resolv_conf_says_whom_to_ask() {
        let text = "# by hand\nsearch a.example b.example.\nnameserver 10.0.0.2 # first\nnameserver fe80::1%eth0\n\
                    nameserver x\noptions ndots:2 timeout:3 rotate\n";
        let resolver = Resolver::parse(text);
        let servers: Vec<String> = resolver.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.2:53", "[fe80::1]:53"]);
        assert_eq!((resolver.dots, resolver.timeout), (2, Duration::from_secs(3)));
        assert_eq!(resolver.names("x.y"), ["x.y.a.example", "x.y.b.example", "x.y"]);
        assert_eq!(resolver.names("x.y.z"), ["x.y.z", "x.y.z.a.example", "x.y.z.b.example"]);
        assert_eq!(resolver.names("x."), ["x."]);
        assert_eq!(Resolver::parse("").servers, ["127.0.0.1:53".parse().unwrap()]);
    }

    /// A server that answers over UDP and TCP alike, at one port.
    async fn fake(answer: impl Fn(&[u8], bool) -> Vec<u8> + Clone + Send + Sync + 'static) -> SocketAddr {
        let (listener, socket) = loop {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
            let address = listener.local_addr().expect("it is bound");
            if let Ok(socket) = UdpSocket::bind(address).await {
                break (listener, socket);
            }
        };
        let address = listener.local_addr().expect("it is bound");
        let of_stream = answer.clone();
        tokio::spawn(async move {
            let mut message = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut message).await {
                let _ = socket.send_to(&answer(&message[..length], false), from).await;
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let length = usize::from(stream.read_u16().await.expect("a length"));
                let mut question = vec![0; length];
                stream.read_exact(&mut question).await.expect("a question");
                let answer = of_stream(&question, true);
                stream.write_u16(u16::try_from(answer.len()).expect("it fits")).await.expect("the client waits");
                stream.write_all(&answer).await.expect("the client waits");
            }
        });
        address
    }

    fn resolver(servers: &[SocketAddr]) -> Resolver {
        Resolver {
            servers: servers.to_vec(),
            timeout: Duration::from_millis(500),
            ..Resolver::parse("search d.example")
        }
    }

    #[tokio::test]
    async fn a_long_answer_comes_over_a_stream() {
        let many: Vec<(u16, Vec<u8>)> = (1..1000).map(|port| (33, service("h.example", port))).collect();
        let server = fake(
            move |question, is_stream| {
                if is_stream { reply(question, 0, &many) } else { reply(question, 0x0200, &[]) }
            },
        );
        let found = resolver(&[server.await]).look_up("_x._tcp.example", DnsRecord::Srv).await.unwrap();
        assert_eq!(found.len(), 999);
        assert_eq!(found[0], Answer::Service { target: "h.example".to_owned(), port: 1 });
    }

    #[tokio::test]
    async fn names_are_completed_and_a_name_that_is_not_there_is_no_error() {
        let server = fake(|question, _| {
            let is_whole = question.windows(9).any(|window| window == b"\x01d\x07exampl");
            if is_whole { reply(question, 0, &[(1, vec![10, 0, 0, 1])]) } else { reply(question, 3, &[]) }
        })
        .await;
        let found = resolver(&[server]).look_up("host", DnsRecord::A).await.unwrap();
        assert_eq!(found, [Answer::Address(Ipv4Addr::new(10, 0, 0, 1).into())]);
        assert_eq!(resolver(&[server]).look_up("gone.example.", DnsRecord::A).await.unwrap(), []);
    }

    #[tokio::test]
    async fn the_next_server_is_asked_when_one_fails() {
        let broken = fake(|question, _| reply(question, 2, &[])).await;
        let sound = fake(|question, _| reply(question, 0, &[(1, vec![10, 0, 0, 1])])).await;
        let found = resolver(&[broken, sound]).look_up("a.example.", DnsRecord::A).await.unwrap();
        assert_eq!(found.len(), 1);
        let error = resolver(&[broken]).look_up("a.example.", DnsRecord::A).await.unwrap_err();
        assert_eq!(error.to_string(), format!("`a.example.` at {broken}"));
        assert!(matches!(error, LookupError::Ask { source: AskError::Code(2), .. }));
        let deaf = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let error = resolver(&[deaf.local_addr().unwrap()]).look_up("a.example.", DnsRecord::A).await.unwrap_err();
        assert!(matches!(error, LookupError::Ask { source: AskError::Timeout(_), .. }), "{error:?}");
    }
}
