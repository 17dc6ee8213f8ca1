//! The door: how ranks find each other on one machine, and nobody else comes in.
//!
//! Each rank listens on a port of the loopback interface. Whoever connects says hello first: a magic number, the token that rank 0 drew and gave
//! to those it started, who it is and where it listens. A visitor that says anything else, or nothing for ten seconds, is shown out without a
//! word, and the door stays open for those who are awaited.

use std::{
    fmt,
    fs::File,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::error::RankError;

/// How hello begins: a name and the version of all that ranks say to each other.
const MAGIC: [u8; 8] = *b"isoflop1";

/// How long a visitor has to say hello.
const COURTESY: Duration = Duration::from_secs(10);

/// How often to look whether somebody came.
const LOOK: Duration = Duration::from_millis(2);

/// The most visitors that may be at the door at one time.
const CROWD: usize = 64;

/// A token in bytes.
const TOKEN: usize = 32;

/// A hello in bytes.
const HELLO: usize = MAGIC.len() + TOKEN + 4 + 4 + 2;

/// What only the ranks of one group know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token([u8; TOKEN]);

/// Who stands at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) rank: usize,
    pub(super) world: usize,
    /// Where it listens itself.
    pub(super) port: u16,
}

/// A rank's own door.
#[derive(Debug)]
pub(super) struct Door {
    listener: TcpListener,
    pub(super) port: u16,
}

impl Token {
    /// Draws one from the system.
    pub fn draw() -> Result<Self, RankError> {
        let mut token = [0; TOKEN];
        let drawn = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut token));
        drawn.map_err(RankError::system("draw a token from /dev/urandom"))?;
        Ok(Self(token))
    }

    /// As text, in hexadecimal.
    pub fn text(&self) -> String {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).expect("a nibble is a digit");
        self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }

    /// Reads the text.
    pub fn read(text: &str) -> Option<Self> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
        let byte = |pair: &[u8]| Some((digit(pair.first()?)? << 4) | digit(pair.get(1)?)?);
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        Some(Self(bytes?.try_into().ok()?))
    }

    /// Compares in a time that tells nothing of where they differ.
    fn is(&self, other: &[u8]) -> bool {
        other.len() == TOKEN && self.0.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

/// A token is not printed.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Hello {
    fn bytes(self, token: &Token) -> Vec<u8> {
        let (rank, world) = ((self.rank as u32).to_le_bytes(), (self.world as u32).to_le_bytes());
        [&MAGIC[..], &token.0, &rank, &world, &self.port.to_le_bytes()].concat()
    }

    fn read(bytes: &[u8; HELLO], token: &Token) -> Option<Self> {
        let (magic, rest) = bytes.split_at(MAGIC.len());
        let (theirs, rest) = rest.split_at(TOKEN);
        let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("four bytes are four")) as usize;
        (magic == MAGIC && token.is(theirs)).then(|| Self {
            rank: number(0),
            world: number(4),
            port: u16::from_le_bytes([rest[8], rest[9]]),
        })
    }
}

impl Door {
    /// Opens a door on a port that the system picks.
    pub(super) fn open() -> Result<Self, RankError> {
        let opened = || -> io::Result<Self> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            let port = listener.local_addr()?.port();
            Ok(Self { listener, port })
        };
        opened().map_err(RankError::system("listen on the loopback interface"))
    }

    /// Lets in each of `awaited`, of `world` ranks, and returns them in that order. `look` is asked again and again whether waiting makes sense.
    pub(super) fn admit(
        &self,
        awaited: &[usize],
        world: usize,
        token: &Token,
        patience: Duration,
        mut look: impl FnMut() -> Result<(), RankError>,
    ) -> Result<Vec<(TcpStream, Hello)>, RankError> {
        let began = Instant::now();
        let mut inside: Vec<Option<(TcpStream, Hello)>> = awaited.iter().map(|_| None).collect();
        let (said, heard) = mpsc::channel::<Option<(TcpStream, Hello)>>();
        let mut outside = 0;
        while inside.iter().any(Option::is_none) {
            look()?;
            match self.listener.accept() {
                Ok((stream, _)) if outside < CROWD => {
                    outside += 1;
                    let (said, token) = (said.clone(), *token);
                    let visit = move || drop(said.send(hear(stream, &token)));
                    thread::Builder::new()
                        .name("door".into())
                        .spawn(visit)
                        .map_err(RankError::system("hear a rank"))?;
                    continue;
                }
                Ok(_) => {} // too many at once
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(RankError::system("let ranks in")(error)),
            }
            let Ok(visitor) = heard.recv_timeout(LOOK) else {
                if began.elapsed() > patience {
                    let absent = awaited.iter().zip(&inside).filter(|(_, there)| there.is_none());
                    return Err(RankError::Missing {
                        missing: absent.map(|(&rank, _)| rank).collect(),
                        time: patience,
                    });
                }
                continue;
            };
            outside -= 1;
            let Some((stream, hello)) = visitor else { continue };
            let place = awaited.iter().position(|&rank| rank == hello.rank);
            let Some(place) = place.filter(|&place| inside[place].is_none()) else {
                let problem = "nobody waits for it here, or it is here already";
                return Err(RankError::Refused { rank: hello.rank, problem });
            };
            if hello.world != world {
                return Err(RankError::Refused { rank: hello.rank, problem: "it counts ranks otherwise" });
            }
            inside[place] = Some((stream, hello));
        }
        Ok(inside.into_iter().flatten().collect())
    }
}

/// Hears one visitor; nothing if it does not belong here.
fn hear(mut stream: TcpStream, token: &Token) -> Option<(TcpStream, Hello)> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(COURTESY)).ok()?;
    let mut bytes = [0; HELLO];
    stream.read_exact(&mut bytes).ok()?;
    let hello = Hello::read(&bytes, token)?;
    Some((stream, hello))
}

/// Knocks at the door on `port` as `hello`.
pub(super) fn knock(port: u16, hello: Hello, token: &Token) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), COURTESY)?;
    stream.write_all(&hello.bytes(token))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

    #[test]
    fn a_token_is_told_as_text() {
        let token = Token::draw().unwrap();
        assert_eq!(Token::read(&token.text()), Some(token));
        assert_ne!(Token::draw().unwrap(), token);
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert!(Token::read("12").is_none() && Token::read(&"g".repeat(64)).is_none() && Token::read("é").is_none());
    }

    #[test]
    fn strangers_stay_outside() {
        let (door, token) = (Door::open().unwrap(), Token::draw().unwrap());
        let port = door.port;
        let hello = |rank| Hello { rank, world: 3, port: 7 };
        // One that says nothing, one that says something else, and one with another group's token.
        let _silent = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let mut loud = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        loud.write_all(&[b'x'; 200]).unwrap();
        let _wrong = knock(port, hello(1), &Token::draw().unwrap()).unwrap();
        let friends = thread::spawn(move || [2, 1].map(|rank| knock(port, hello(rank), &token).unwrap()));
        let inside = door.admit(&[1, 2], 3, &token, PATIENCE, || Ok(())).unwrap();
        assert_eq!(inside.iter().map(|(_, hello)| hello.rank).collect::<Vec<_>>(), [1, 2]);
        friends.join().unwrap();
    }

    #[test]
    fn who_does_not_come_is_named_and_who_does_not_fit_is_refused() {
        let (door, token) = (Door::open().unwrap(), Token::draw().unwrap());
        let admit = |patience: u64| door.admit(&[1, 2], 3, &token, Duration::from_millis(patience), || Ok(()));
        assert_eq!(admit(0).unwrap_err().to_string(), "waited 0 s for rank 1, 2");
        let _two = knock(door.port, Hello { rank: 2, world: 4, port: 7 }, &token).unwrap();
        assert_eq!(admit(60_000).unwrap_err().to_string(), "rank 2 was refused: it counts ranks otherwise");
        let _five = knock(door.port, Hello { rank: 5, world: 3, port: 7 }, &token).unwrap();
        assert!(matches!(admit(60_000), Err(RankError::Refused { rank: 5, .. })));
        let ended = || Err(RankError::Refused { rank: 1, problem: "it ended" });
        let error = door.admit(&[1], 3, &token, PATIENCE, ended).unwrap_err();
        assert_eq!(error.to_string(), "rank 1 was refused: it ended");
    }
}
