//! A group over TCP on one machine: every rank is connected with every other one.
//!
//! What ranks say comes in frames: sixteen bytes of header (sort, the exchange's number, length), then the numbers as they lie in memory. Each
//! exchange has one frame each way for each pair. Once a second a thread sends each rank a frame without content, so that one that computes for
//! an hour is told from one that was stopped; one that died is known at once, since its connections break.

use std::{
    cell::Cell,
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex, OnceLock, PoisonError, TryLockError, mpsc},
    thread,
    time::Duration,
};

use tch::Tensor;

use super::{
    door::{Door, Hello, Token, knock},
    error::RankError,
    group::Group,
    memory::{bytes, bytes_mut},
};

/// How often a rank says that it lives.
const BEAT: Duration = Duration::from_secs(1);

/// How long a rank may be silent.
const SILENCE: Duration = Duration::from_mins(1);

/// The longest word, in bytes: the losses of ten steps, of as many parts as a batch can have, 2^20.
const WORD: u64 = 10 << 23;

/// A header in bytes.
const HEADER: usize = 16;

/// Frames up to this many bytes go out in one piece.
const SHORT: usize = 1400;

/// The sort of a frame.
mod sort {
    pub(super) const BEAT: u8 = 1;
    pub(super) const NUMBERS: u8 = 2;
    pub(super) const WORD: u8 = 3;
}

/// A group of processes of one machine.
#[derive(Debug)]
pub struct Tcp {
    rank: usize,
    peers: Vec<Peer>,
    turn: Cell<u32>,
    /// Dropped with the group, which ends the beat.
    _beat: mpsc::Sender<()>,
}

/// Another rank.
#[derive(Debug)]
struct Peer {
    rank: usize,
    reading: TcpStream,
    writing: Arc<Mutex<TcpStream>>,
    silence: Duration,
}

/// Rank 0 before the others are there.
#[derive(Debug)]
pub struct Opening {
    door: Door,
    token: Token,
}

impl Opening {
    /// Opens the door of rank 0.
    pub fn new() -> Result<Self, RankError> {
        Ok(Self { door: Door::open()?, token: Token::draw()? })
    }

    /// Where the others are to knock.
    pub fn port(&self) -> u16 {
        self.door.port
    }

    /// What they are to say.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Waits for all others of `world` ranks. `look` is asked meanwhile whether that makes sense.
    pub fn meet(
        self,
        world: usize,
        patience: Duration,
        look: impl FnMut() -> Result<(), RankError>,
    ) -> Result<Tcp, RankError> {
        let others: Vec<usize> = (1..world).collect();
        let inside = self.door.admit(&others, world, &self.token, patience, look)?;
        let ports: Vec<u8> = inside.iter().flat_map(|(_, hello)| hello.port.to_le_bytes()).collect();
        let mut streams = Vec::with_capacity(inside.len());
        for (mut stream, Hello { rank, .. }) in inside {
            stream.write_all(&ports).map_err(|source| RankError::Gone { rank, source })?;
            streams.push((rank, stream));
        }
        Tcp::over(0, streams, SILENCE)
    }
}

impl Tcp {
    /// Joins the group whose rank 0 listens on `port`, as rank `rank` of `world`.
    pub fn join(port: u16, token: &Token, rank: usize, world: usize, patience: Duration) -> Result<Self, RankError> {
        let door = Door::open()?;
        let hello = Hello { rank, world, port: door.port };
        let gone = |rank| move |source| RankError::Gone { rank, source };
        let mut leader = knock(port, hello, token).map_err(gone(0))?;
        let mut ports = vec![0; 2 * (world - 1)];
        leader.set_read_timeout(Some(patience)).map_err(gone(0))?;
        leader.read_exact(&mut ports).map_err(gone(0))?;
        let mut streams = vec![(0, leader)];
        for other in 1..rank {
            let port = u16::from_le_bytes([ports[2 * (other - 1)], ports[2 * other - 1]]);
            streams.push((other, knock(port, hello, token).map_err(gone(other))?));
        }
        let later: Vec<usize> = (rank + 1..world).collect();
        for (stream, hello) in door.admit(&later, world, token, patience, || Ok(()))? {
            streams.push((hello.rank, stream));
        }
        Self::over(rank, streams, SILENCE)
    }

    fn over(rank: usize, streams: Vec<(usize, TcpStream)>, silence: Duration) -> Result<Self, RankError> {
        let peer = |(rank, stream): (usize, TcpStream)| -> io::Result<Peer> {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(silence))?;
            Ok(Peer { rank, writing: Arc::new(Mutex::new(stream.try_clone()?)), reading: stream, silence })
        };
        let peers: io::Result<Vec<Peer>> = streams.into_iter().map(peer).collect();
        let peers = peers.map_err(RankError::system("set up connections between ranks"))?;
        let voices: Vec<Arc<Mutex<TcpStream>>> = peers.iter().map(|peer| Arc::clone(&peer.writing)).collect();
        let (hold, ended) = mpsc::channel();
        let beat = move || {
            while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(BEAT) {
                for voice in &voices {
                    beat(voice);
                }
            }
        };
        thread::Builder::new().name("ranks".into()).spawn(beat).map_err(RankError::system("start a thread"))?;
        Ok(Self { rank, peers, turn: Cell::new(0), _beat: hold })
    }

    /// One frame each way with every rank, all at once.
    fn swap(
        &self,
        send: impl Fn(&Peer, u32) -> Result<(), RankError> + Sync,
        receive: impl Fn(&Peer, u32) -> Result<(), RankError> + Sync,
    ) -> Result<(), RankError> {
        let turn = self.turn.get().wrapping_add(1);
        self.turn.set(turn);
        let (peers, failed) = (&self.peers, OnceLock::new());
        let note = |result: Result<(), RankError>| {
            if let Err(error) = result {
                let _ = failed.set(error); // the first is the cause of all others
                peers.iter().for_each(Peer::hang_up); // which ends what waits on them
            }
        };
        thread::scope(|scope| {
            let (note, send, receive) = (&note, &send, &receive);
            for peer in peers {
                scope.spawn(move || note(send(peer, turn)));
            }
            let Some((last, others)) = peers.split_last() else { return };
            for peer in others {
                scope.spawn(move || note(receive(peer, turn)));
            }
            note(receive(last, turn));
        });
        failed.into_inner().map_or(Ok(()), Err)
    }
}

impl Group for Tcp {
    fn rank(&self) -> usize {
        self.rank
    }

    fn world(&self) -> usize {
        self.peers.len() + 1
    }

    fn exchange(&self, out: &[Vec<Tensor>], into: &mut [Vec<Tensor>]) -> Result<(), RankError> {
        let out: Vec<Vec<&[u8]>> = out.iter().map(|parts| parts.iter().map(bytes).collect()).collect();
        let into: Vec<Mutex<Vec<&mut [u8]>>> =
            into.iter_mut().map(|parts| Mutex::new(parts.iter_mut().map(bytes_mut).collect())).collect();
        self.swap(
            |peer, turn| peer.send(sort::NUMBERS, turn, &out[peer.rank]),
            |peer, turn| {
                let mut parts = into[peer.rank].lock().unwrap_or_else(PoisonError::into_inner);
                let due: usize = parts.iter().map(|part| part.len()).sum();
                let length = peer.header(sort::NUMBERS, turn)?;
                if length != due as u64 {
                    let problem = format!("it sent {length} bytes where {due} were due");
                    return Err(RankError::OutOfStep { rank: peer.rank, problem });
                }
                parts.iter_mut().try_for_each(|part| peer.fill(part))
            },
        )
    }

    fn tell(&self, word: &[u8]) -> Result<Vec<Vec<u8>>, RankError> {
        let told: Vec<Mutex<Vec<u8>>> = (0..self.world()).map(|_| Mutex::default()).collect();
        self.swap(
            |peer, turn| peer.send(sort::WORD, turn, &[word]),
            |peer, turn| {
                let length = peer.header(sort::WORD, turn)?;
                if length > WORD {
                    return Err(RankError::OutOfStep { rank: peer.rank, problem: format!("a word of {length} bytes") });
                }
                let mut word = vec![0; length as usize];
                peer.fill(&mut word)?;
                *told[peer.rank].lock().unwrap_or_else(PoisonError::into_inner) = word;
                Ok(())
            },
        )?;
        let mut told: Vec<Vec<u8>> =
            told.into_iter().map(|word| word.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
        word.clone_into(&mut told[self.rank]);
        Ok(told)
    }
}

impl Peer {
    fn send(&self, sort: u8, turn: u32, parts: &[&[u8]]) -> Result<(), RankError> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let header = header(sort, turn, length as u64);
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut write = || -> io::Result<()> {
            if length < SHORT {
                return writing.write_all(&[&header[..], &parts.concat()].concat());
            }
            writing.write_all(&header)?;
            parts.iter().try_for_each(|part| writing.write_all(part))
        };
        write().map_err(|source| self.gone(source))
    }

    /// The length of the next frame that is no beat, which must be of this sort and turn.
    fn header(&self, wanted: u8, turn: u32) -> Result<u64, RankError> {
        loop {
            let mut header = [0; HEADER];
            self.fill(&mut header)?;
            let number = u32::from_le_bytes(header[4..8].try_into().expect("four bytes are four"));
            match header[0] {
                sort::BEAT => {}
                sort if sort == wanted && number == turn => {
                    return Ok(u64::from_le_bytes(header[8..].try_into().expect("eight bytes are eight")));
                }
                sort => {
                    let problem = format!("it is at exchange {number}.{sort} and this rank at {turn}.{wanted}");
                    return Err(RankError::OutOfStep { rank: self.rank, problem });
                }
            }
        }
    }

    /// Fills `into`. Each byte that comes is a sign of life.
    fn fill(&self, mut into: &mut [u8]) -> Result<(), RankError> {
        while !into.is_empty() {
            match (&self.reading).read(into) {
                Ok(0) => return Err(self.gone(io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => into = &mut into[read..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Err(RankError::Silent { rank: self.rank, time: self.silence });
                }
                Err(error) => return Err(self.gone(error)),
            }
        }
        Ok(())
    }

    fn gone(&self, source: io::Error) -> RankError {
        RankError::Gone { rank: self.rank, source }
    }

    fn hang_up(&self) {
        let _ = self.reading.shutdown(Shutdown::Both); // one that hung up first is as good
    }
}

/// Whoever ends says so, though a thread may still hold the connection.
impl Drop for Tcp {
    fn drop(&mut self) {
        self.peers.iter().for_each(Peer::hang_up);
    }
}

fn header(sort: u8, turn: u32, length: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = sort;
    header[4..8].copy_from_slice(&turn.to_le_bytes());
    header[8..].copy_from_slice(&length.to_le_bytes());
    header
}

/// Says that this rank lives, unless it is saying something else.
fn beat(voice: &Mutex<TcpStream>) {
    let mut voice = match voice.try_lock() {
        Ok(voice) => voice,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return,
    };
    let _ = voice.write_all(&header(sort::BEAT, 0, 0)); // that it is gone shows in the next exchange
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            cut::Cut,
            fold::{Fold, rounds, turn},
            group::{Solo, add, all_gather, collect, scatter},
        },
        *,
    };
    use proptest::prelude::*;
    use tch::Kind;

    const PATIENCE: Duration = Duration::from_mins(2);

    /// Runs `work` on every rank of a group, each a thread with connections of its own, and returns what came of it by rank.
    fn together<T: Send>(world: usize, work: impl Fn(Tcp) -> T + Sync) -> Vec<T> {
        let opening = Opening::new().unwrap();
        let (port, token) = (opening.port(), *opening.token());
        thread::scope(|scope| {
            let work = &work;
            let join = |rank| scope.spawn(move || work(Tcp::join(port, &token, rank, world, PATIENCE).unwrap()));
            let others: Vec<_> = (1..world).map(join).collect();
            let first = work(opening.meet(world, PATIENCE, || Ok(())).unwrap());
            std::iter::once(first).chain(others.into_iter().map(|other| other.join().unwrap())).collect()
        })
    }

    /// The numbers of a shard: of sizes so different that the order of additions shows.
    fn shard(shard: u64, length: i64) -> Tensor {
        let at = Tensor::arange(length, (Kind::Float, tch::Device::Cpu)) + 1.0;
        (at * (shard as f64 + 0.7)).sin() * 10_f64.powi(shard as i32 % 7 - 3)
    }

    /// What each of `world` ranks has in the end, of a sum over `shards` shards: the whole of it, and its own range.
    fn sums(world: usize, shards: u64, length: i64) -> Vec<(Vec<f32>, Vec<f32>)> {
        let cut = Cut::new(length as u64);
        let work = |group: &dyn Group| {
            let range = cut.range(group.rank(), group.world());
            let room = || Tensor::empty([(range.end - range.start) as i64], (Kind::Float, tch::Device::Cpu));
            let mut fold = Fold::new(shards);
            for round in 0..rounds(group.world(), shards) {
                let turn = turn(round, group.world(), shards);
                let mine = turn.clone().nth(group.rank()).map(|s| shard(s, length));
                let present = (turn.end - turn.start) as usize;
                let ranges = scatter(group, cut, mine.as_ref(), present, room).unwrap();
                for (s, value) in turn.zip(ranges) {
                    fold.push(s, value, |left, right| add(left, &right));
                }
            }
            let own = fold.into_root().unwrap();
            let whole = Tensor::zeros([length], (Kind::Float, tch::Device::Cpu));
            whole.narrow(0, range.start as i64, (range.end - range.start) as i64).copy_(&own);
            all_gather(group, cut, &whole).unwrap();
            let collected = collect(group, cut, &own).unwrap();
            assert_eq!(collected.is_some(), group.rank() == 0);
            assert!(collected.is_none_or(|collected| collected == whole));
            (Vec::try_from(&whole).unwrap(), Vec::try_from(&own).unwrap())
        };
        if world == 1 { vec![work(&Solo)] } else { together(world, |group| work(&group)) }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        /// However many ranks there are, each ends with the same bits, and each owns its part only.
        #[test]
        fn a_sum_has_the_same_bits_on_any_number_of_ranks(shards in 4_u64..9, length in 1_i64..30_000) {
            let alone = sums(1, shards, length).remove(0).0;
            for world in 2..=4 {
                let ranks = sums(world, shards, length);
                prop_assert_eq!(ranks.iter().map(|(_, own)| own.len()).sum::<usize>(), length as usize);
                for (whole, _) in ranks {
                    prop_assert!(whole == alone, "{world} ranks, {shards} shards, {length} numbers");
                }
            }
        }
    }

    #[test]
    fn the_order_of_additions_does_show() {
        let numbers =
            |order: &[u64]| order.iter().map(|&s| shard(s, 1000)).reduce(|left, right| add(left, &right)).unwrap();
        assert_ne!(numbers(&[0, 1, 2, 3]), numbers(&[3, 1, 0, 2]), "else the other tests show nothing");
    }

    #[test]
    fn words_are_told_in_the_order_of_ranks() {
        let told = together(3, |group| {
            group.barrier().unwrap();
            let words = group.tell(&vec![group.rank() as u8; 2000 * group.rank()]).unwrap();
            let leader = group.broadcast(if group.rank() == 0 { b"save" } else { b"no" }).unwrap();
            let numbers = group.gather(&vec![group.rank() as f64 + 0.5; group.rank()]).unwrap();
            // The losses of ten steps of many parts.
            assert_eq!(group.gather(&vec![0.5; 200_000]).unwrap(), vec![0.5; 600_000]);
            (words, leader, numbers)
        });
        for (words, leader, numbers) in told {
            assert_eq!(words, [vec![], vec![1; 2000], vec![2; 4000]]);
            assert_eq!((leader.as_slice(), numbers.as_slice()), (&b"save"[..], &[1.5, 2.5, 2.5][..]));
        }
    }

    #[test]
    fn a_rank_that_leaves_is_named_by_all_others() {
        let said = together(3, |group| {
            group.barrier().unwrap();
            if group.rank() == 1 {
                return String::new(); // its connections close
            }
            let Err(error) = group.barrier() else { panic!("it went on without rank 1") };
            match error {
                RankError::Gone { rank, .. } => format!("{rank}"),
                other => other.to_string(),
            }
        });
        // Who hears of it second may find the one gone that heard of it first.
        assert!(said[0] == "1" || said[2] == "1", "{said:?}");
        assert!(["1", "2"].contains(&said[0].as_str()) && ["0", "1"].contains(&said[2].as_str()), "{said:?}");
    }

    #[test]
    fn ranks_that_are_not_at_one_place_are_told_so() {
        let said = together(2, |group| {
            let ones = |n: i64| Tensor::ones([n], (Kind::Float, tch::Device::Cpu));
            let mut into = vec![Vec::new(), Vec::new()];
            let mut out = vec![Vec::new(), Vec::new()];
            let other = 1 - group.rank();
            out[other].push(ones(1 + group.rank() as i64));
            into[other].push(ones(1));
            group.exchange(&out, &mut into).map_err(|error| error.to_string())
        });
        assert_eq!(said[0], Err("rank 1 is out of step: it sent 8 bytes where 4 were due".to_owned()));
        let said = together(2, |group| {
            if group.rank() == 0 {
                group.barrier().map_err(|error| error.to_string())
            } else {
                group.exchange(&[vec![], vec![]], &mut [vec![], vec![]]).map_err(|error| error.to_string())
            }
        });
        assert!(said.iter().any(|said| said.as_ref().is_err_and(|said| said.contains("is out of step"))), "{said:?}");
    }

    #[test]
    fn one_that_beats_is_waited_for_and_one_that_is_silent_is_not() {
        let pair = || {
            let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (near, listener.accept().unwrap().0)
        };
        let (near, mut far) = pair();
        let group = Tcp::over(0, vec![(1, near)], Duration::from_millis(200)).unwrap();
        let error = group.barrier().unwrap_err();
        assert!(matches!(error, RankError::Silent { rank: 1, .. }), "{error}");
        // What it said all along, besides the barrier's own frame: beats may be there too.
        let mut said = Vec::new();
        far.read_to_end(&mut said).unwrap();
        assert!(said.chunks(HEADER).any(|frame| frame[0] == sort::WORD));

        let (near, mut far) = pair();
        let group = Tcp::over(0, vec![(1, near)], PATIENCE).unwrap();
        let other = thread::spawn(move || {
            for _ in 0..3 {
                far.write_all(&header(sort::BEAT, 0, 0)).unwrap();
            }
            far.write_all(&header(sort::WORD, 1, 0)).unwrap();
            far
        });
        group.barrier().unwrap();
        drop(other.join().unwrap());
    }
}
