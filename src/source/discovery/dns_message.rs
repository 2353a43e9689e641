//! Messages of the DNS: a question written, an answer read. Nothing here touches a socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest name, and the longest part of one.
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;
/// So many jumps may a compressed name take.
const JUMPS_MAX: usize = 32;
/// So many records of an answer are read.
const RECORDS_MAX: usize = 10_000;
/// So much of an answer fits into a datagram; we say so.
pub(super) const DATAGRAM_MAX: u16 = 4096;

/// A kind of record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DnsRecord {
    /// Addresses of version 4.
    A,
    /// Addresses of version 6.
    Aaaa,
    /// Mail servers.
    Mx,
    /// Name servers.
    Ns,
    /// Services with their ports.
    Srv,
}

impl DnsRecord {
    /// Every kind with the name by which a configuration calls it.
    pub const NAMES: [(&str, Self); 5] =
        [("A", Self::A), ("AAAA", Self::Aaaa), ("MX", Self::Mx), ("NS", Self::Ns), ("SRV", Self::Srv)];

    const fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Ns => 2,
            Self::Mx => 15,
            Self::Aaaa => 28,
            Self::Srv => 33,
        }
    }
}

/// What a record says.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Answer {
    Address(IpAddr),
    /// A name without its final dot.
    Name(String),
    Service {
        target: String,
        port: u16,
    },
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Response {
    pub(super) code: Code,
    /// It did not fit into its datagram.
    pub(super) is_truncated: bool,
    pub(super) answers: Vec<Answer>,
}

/// How a server judges a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Code {
    Success,
    /// There is no such name.
    NoName,
    /// It could not or would not say.
    Failure(u8),
}

/// Why a message is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum MessageError {
    #[error("the name cannot be asked for: a part is empty or too long")]
    Name,
    #[error("the answer is cut off or malformed")]
    Malformed,
    #[error("the answer is to another question")]
    Other,
}

/// A question about a name.
pub(super) fn question(id: u16, name: &str, record: DnsRecord) -> Result<Vec<u8>, MessageError> {
    let mut message = Vec::with_capacity(64);
    message.extend(id.to_be_bytes());
    // One question, recursion desired, one additional record: the size that we can take.
    message.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1]);
    write_name(&mut message, name)?;
    message.extend(record.number().to_be_bytes());
    message.extend([0, 1]);
    message.extend([0, 0, 41]);
    message.extend(DATAGRAM_MAX.to_be_bytes());
    message.extend([0; 6]);
    Ok(message)
}

fn write_name(message: &mut Vec<u8>, name: &str) -> Result<(), MessageError> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > NAME_MAX {
        return Err(MessageError::Name);
    }
    for label in name.split('.') {
        let length = u8::try_from(label.len()).map_err(|_| MessageError::Name)?;
        if label.is_empty() || label.len() > LABEL_MAX {
            return Err(MessageError::Name);
        }
        message.push(length);
        message.extend(label.as_bytes());
    }
    message.push(0);
    Ok(())
}

/// Reads the answer to a question with this id about this name.
pub(super) fn response(message: &[u8], id: u16, name: &str, record: DnsRecord) -> Result<Response, MessageError> {
    let mut reader = Reader { message, at: 0 };
    if reader.number()? != id {
        return Err(MessageError::Other);
    }
    let flags = reader.number()?;
    if flags & 0x8000 == 0 {
        return Err(MessageError::Other);
    }
    let (questions, answers) = (reader.number()?, reader.number()?);
    reader.skip(4)?;
    let asked = name.strip_suffix('.').unwrap_or(name);
    for _ in 0..questions {
        let (name, number) = (reader.name()?, reader.number()?);
        reader.skip(2)?;
        if !name.eq_ignore_ascii_case(asked) || number != record.number() {
            return Err(MessageError::Other);
        }
    }
    let is_truncated = flags & 0x0200 != 0;
    let code = match (flags & 0x000f) as u8 {
        0 => Code::Success,
        3 => Code::NoName,
        other => Code::Failure(other),
    };
    let mut found = Vec::new();
    if !is_truncated {
        for _ in 0..usize::from(answers).min(RECORDS_MAX) {
            // The aliases on the way to the answer are records of another kind.
            found.extend(reader.record(record)?);
        }
    }
    Ok(Response { code, is_truncated, answers: found })
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, MessageError> {
        let byte = self.message.get(self.at).copied().ok_or(MessageError::Malformed)?;
        self.at += 1;
        Ok(byte)
    }

    fn number(&mut self) -> Result<u16, MessageError> {
        Ok(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    fn skip(&mut self, bytes: usize) -> Result<(), MessageError> {
        self.at += bytes;
        if self.at > self.message.len() { Err(MessageError::Malformed) } else { Ok(()) }
    }

    /// A name, which may go on elsewhere in the message.
    fn name(&mut self) -> Result<String, MessageError> {
        let mut name = String::new();
        let (mut at, mut jumps) = (self.at, 0);
        loop {
            let length = usize::from(*self.message.get(at).ok_or(MessageError::Malformed)?);
            match length {
                0 => {
                    at += 1;
                    break;
                }
                1..=LABEL_MAX => {
                    let label = self.message.get(at + 1..at + 1 + length).ok_or(MessageError::Malformed)?;
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.push_str(std::str::from_utf8(label).map_err(|_| MessageError::Malformed)?);
                    if name.len() > NAME_MAX {
                        return Err(MessageError::Malformed);
                    }
                    at += 1 + length;
                }
                0xc0.. => {
                    let low = usize::from(*self.message.get(at + 1).ok_or(MessageError::Malformed)?);
                    if jumps == 0 {
                        self.at = at + 2;
                    }
                    jumps += 1;
                    if jumps > JUMPS_MAX {
                        return Err(MessageError::Malformed);
                    }
                    at = (length & 0x3f) << 8 | low;
                }
                _ => return Err(MessageError::Malformed),
            }
        }
        if jumps == 0 {
            self.at = at;
        }
        Ok(name)
    }

    /// A record; `None` when it is of another kind.
    fn record(&mut self, wanted: DnsRecord) -> Result<Option<Answer>, MessageError> {
        self.name()?;
        let kind = self.number()?;
        self.skip(6)?;
        let length = usize::from(self.number()?);
        let (start, end) = (self.at, self.at + length);
        let data = self.message.get(start..end).ok_or(MessageError::Malformed)?;
        let answer = if kind != wanted.number() {
            None
        } else {
            Some(match wanted {
                DnsRecord::A => {
                    let bytes: [u8; 4] = data.try_into().map_err(|_| MessageError::Malformed)?;
                    Answer::Address(Ipv4Addr::from(bytes).into())
                }
                DnsRecord::Aaaa => {
                    let bytes: [u8; 16] = data.try_into().map_err(|_| MessageError::Malformed)?;
                    Answer::Address(Ipv6Addr::from(bytes).into())
                }
                DnsRecord::Ns => Answer::Name(self.name()?),
                DnsRecord::Mx => {
                    self.skip(2)?;
                    Answer::Name(self.name()?)
                }
                DnsRecord::Srv => {
                    self.skip(4)?;
                    let port = self.number()?;
                    Answer::Service { target: self.name()?, port }
                }
            })
        };
        self.at = end;
        Ok(answer)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a server answers to `question`, with records given by their type and data.
    pub(in super::super) fn reply(question: &[u8], flags: u16, records: &[(u16, Vec<u8>)]) -> Vec<u8> {
        // Without the additional record at its end.
        let mut message = question[..question.len() - 11].to_vec();
        message[2..4].copy_from_slice(&(0x8180 | flags).to_be_bytes());
        message[6..8].copy_from_slice(&u16::try_from(records.len()).expect("few records").to_be_bytes());
        message[10..12].copy_from_slice(&[0, 0]);
        for (kind, data) in records {
            message.extend([0xc0, 12]);
            message.extend(kind.to_be_bytes());
            message.extend([0, 1, 0, 0, 0, 60]);
            message.extend(u16::try_from(data.len()).expect("short data").to_be_bytes());
            message.extend(data);
        }
        message
    }

    /// The data of an `SRV` record.
    pub(in super::super) fn service(target: &str, port: u16) -> Vec<u8> {
        let mut data = vec![0, 0, 0, 0];
        data.extend(port.to_be_bytes());
        write_name(&mut data, target).expect("a name");
        data
    }

    #[test]
    fn reads_what_servers_say() {
        let check = |record: DnsRecord, records: &[(u16, Vec<u8>)], want: &[Answer]| {
            let question = question(7, "_x._tcp.a.example.", record).unwrap();
            let got = response(&reply(&question, 0, records), 7, "_X._tcp.a.example", record).unwrap();
            assert_eq!((got.code, got.answers.as_slice()), (Code::Success, want));
        };
        let address = |text: &str| Answer::Address(text.parse().unwrap());
        check(DnsRecord::A, &[], &[]);
        check(
            DnsRecord::A,
            &[(1, vec![10, 0, 0, 1]), (1, vec![10, 0, 0, 2])],
            &[address("10.0.0.1"), address("10.0.0.2")],
        );
        // An alias on the way: `b` and a pointer to the name of the question.
        check(DnsRecord::A, &[(5, vec![1, b'b', 0xc0, 12]), (1, vec![10, 0, 0, 1])], &[address("10.0.0.1")]);
        let mut six = vec![0; 16];
        six[15] = 1;
        check(DnsRecord::Aaaa, &[(28, six)], &[address("::1")]);
        let service_answer = Answer::Service { target: "h.example".to_owned(), port: 9100 };
        check(DnsRecord::Srv, &[(33, service("h.example.", 9100))], &[service_answer]);
        let name = |text: &str| Answer::Name(text.to_owned());
        check(DnsRecord::Mx, &[(15, vec![0, 10, 1, b'm', 0xc0, 12])], &[name("m._x._tcp.a.example")]);
        check(DnsRecord::Ns, &[(2, vec![1, b'n', 0])], &[name("n")]);
    }

    #[test]
    fn codes_and_flags() {
        let question = question(7, "a.example", DnsRecord::A).unwrap();
        let check = |flags: u16, code: Code, is_truncated: bool| {
            let got = response(&reply(&question, flags, &[]), 7, "a.example", DnsRecord::A).unwrap();
            assert_eq!((got.code, got.is_truncated), (code, is_truncated));
        };
        check(0, Code::Success, false);
        check(3, Code::NoName, false);
        check(2, Code::Failure(2), false);
        check(0x0200, Code::Success, true);
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let question = question(7, "a.example", DnsRecord::A).unwrap();
        let check = |message: &[u8], want: MessageError| {
            assert_eq!(response(message, 7, "a.example", DnsRecord::A), Err(want), "{message:?}");
        };
        check(&question, MessageError::Other);
        check(&reply(&self::question(8, "a.example", DnsRecord::A).unwrap(), 0, &[]), MessageError::Other);
        check(&reply(&self::question(7, "b.example", DnsRecord::A).unwrap(), 0, &[]), MessageError::Other);
        check(&reply(&question, 0, &[(1, vec![1, 2, 3])]), MessageError::Malformed);
        let whole = reply(&question, 0, &[(1, vec![10, 0, 0, 1])]);
        for end in 0..whole.len() {
            assert!(response(&whole[..end], 7, "a.example", DnsRecord::A).is_err(), "{end}");
        }
        // A name that points at itself.
        let mut circle = reply(&question, 0, &[(1, vec![10, 0, 0, 1])]);
        let at = circle.len() - 16;
        let pointer = u8::try_from(at).unwrap();
        circle[at..at + 2].copy_from_slice(&[0xc0, pointer]);
        check(&circle, MessageError::Malformed);
        for name in ["", "a..b", &"x".repeat(64), &"x.".repeat(130)] {
            assert_eq!(self::question(1, name, DnsRecord::A), Err(MessageError::Name), "{name}");
        }
    }
}
