//! The way in: connects, brings the tables up to date, and tries again when a connection breaks.
//!
//! Every public method is one transaction that may be repeated: a connection that breaks after the commit and before the answer leaves
//! nobody knowing which it was, so each is written so that a second time changes nothing.

use std::{
    fmt,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::RwLock;

use crate::{
    error::LedgerError,
    fault::{Cure, Fault},
    group::{self, Group},
    holder::Holder,
    lease::LeaseTerms,
    place::Place,
    server::{Presence, PrivateServer, ServerError},
};

/// The tables, in order.
static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// The schema that all tables are in, so that a shared server's `public` stays clean.
const SCHEMA: &str = "isoflop";

/// How long a lost connection is tried for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the first connection is tried for: a wrong address should be told soon.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);

/// How long one try may take: a connection can die without a word.
const SILENCE: Duration = Duration::from_mins(1);

/// The same where a try reads or writes as much as there is: a whole ledger, a run's every recipe, or a table that is brought up to date.
const LONG_SILENCE: Duration = Duration::from_hours(1);

/// How long a process may make nothing of a transaction that it began: a loaded machine is not a paused one.
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);

/// The number of the lock under which the schema is made: "isoflop" in a few digits.
const SCHEMA_LOCK: i64 = 0x0069_736f_666c_6f70;

/// The ledger. Cheap to clone.
#[derive(Clone)]
pub struct Ledger(Arc<Shared>);

/// Whose it is and where: never the password that its address may hold.
impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("place", &self.0.place).field("holder", &self.0.holder).finish_non_exhaustive()
    }
}

struct Shared {
    place: Place,
    holder: Holder,
    terms: LeaseTerms,
    group: Group,
    most: usize,
    manner: Manner,
    /// Keeps a private server from being stopped.
    _presence: Option<Presence>,
    connections: RwLock<Connections>,
}

/// How a ledger is used.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// For questions alone: the server itself refuses whatever would change something.
    reads: bool,
    /// How long a lost connection is tried for.
    patience: Duration,
}

/// How an engine presents itself to a ledger.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The leases it asks for.
    pub lease: LeaseTerms,
    /// The name of its machine, if that is not what the system says.
    pub host: Option<String>,
    /// How many starts and ends of tasks may share a transaction.
    pub group: usize,
}

impl Default for Engine {
    fn default() -> Self {
        Self { lease: LeaseTerms::default(), host: None, group: group::MOST }
    }
}

/// How something is tried.
#[derive(Debug, Clone, Copy)]
struct Trying {
    /// How long again, after a lost connection.
    patience: Duration,
    /// How long one try may take.
    silence: Duration,
}

/// The pool in use. A broken one is thrown away as a whole, so that no later call meets one more of its dead connections.
#[derive(Clone)]
struct Connections {
    generation: u64,
    options: PgConnectOptions,
    pool: PgPool,
    /// One connection, for the line of asks alone: what it does it does all the time, and the server has the plans at hand.
    line: PgPool,
}

impl Connections {
    fn new(generation: u64, options: PgConnectOptions) -> Self {
        let pool = |most| {
            PgPoolOptions::new()
                .max_connections(most)
                .acquire_timeout(Duration::from_secs(5))
                .test_before_acquire(false)
                .connect_lazy_with(options.clone())
        };
        let (pool, line) = (pool(5), pool(1));
        Self { generation, options, pool, line }
    }
}

impl Ledger {
    /// Connects to the ledger at `place`, starting a private server if need be, and brings its tables up to date.
    pub async fn open(place: Place) -> Result<Self, LedgerError> {
        Self::open_as(place, Engine::default()).await
    }

    /// The same, for an engine that is not like all others.
    pub async fn open_as(place: Place, engine: Engine) -> Result<Self, LedgerError> {
        let ledger = Self::connect(place, engine, Manner { reads: false, patience: PATIENCE }).await?;
        let terms = Trying { patience: FIRST_PATIENCE, silence: LONG_SILENCE };
        ledger.within(terms, "be prepared", |connections| ledger.prepare(connections.pool)).await?;
        Ok(ledger)
    }

    async fn connect(place: Place, engine: Engine, manner: Manner) -> Result<Self, LedgerError> {
        let presence = match &place {
            Place::Private(server) => Some(blocking(server, PrivateServer::enter).await?),
            Place::Url(_) => None,
        };
        let options = address(&place, engine.lease, manner).await?;
        let connections = RwLock::new(Connections::new(0, options));
        let holder = match &engine.host {
            Some(host) => Holder::here().on(host),
            None => Holder::here(),
        };
        let group = Group::default();
        Ok(Self(Arc::new(Shared {
            place,
            holder,
            terms: engine.lease,
            group,
            most: engine.group.max(1),
            manner,
            _presence: presence,
            connections,
        })))
    }

    /// Connects to the ledger at `place` for questions alone: nothing is brought up to date, and nothing can be written. None if nothing was ever
    /// recorded there.
    pub async fn look(place: Place) -> Result<Option<Self>, LedgerError> {
        Self::look_for(place, PATIENCE).await
    }

    /// The same, for somebody who waits no longer than `patience` for a lost connection.
    pub async fn look_for(place: Place, patience: Duration) -> Result<Option<Self>, LedgerError> {
        let ledger = Self::connect(place, Engine::default(), Manner { reads: true, patience }).await?;
        let terms = Trying { patience: FIRST_PATIENCE.min(patience), silence: SILENCE };
        let there = ledger.within(terms, "be looked at", |connections| async move {
            let question = sqlx::query_scalar("select to_regclass('isoflop.results') is not null");
            Ok(question.fetch_one(&connections.pool).await?)
        });
        let there: bool = there.await?;
        Ok(there.then_some(ledger))
    }

    /// Demands that the tables are those of this version: who may not change them cannot bring them up to date.
    pub async fn demand_current(&self) -> Result<(), LedgerError> {
        let applied: Vec<i64> = self
            .with("look up the version of its tables", |pool| async move {
                let versions =
                    sqlx::query_scalar("select version from _sqlx_migrations where success order by version");
                Ok(versions.fetch_all(&pool).await?)
            })
            .await?;
        let known: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        let place = || self.0.place.to_string();
        match applied.iter().find(|version| !known.contains(version)) {
            Some(version) => Err(LedgerError::Newer { place: place(), version: *version }),
            None if applied.len() < known.len() => Err(LedgerError::Older { place: place() }),
            None => Ok(()),
        }
    }

    /// Which ledger this is, for messages.
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// Who this engine is: the holder of all leases claimed through this ledger.
    pub fn holder(&self) -> &Holder {
        &self.0.holder
    }

    /// How long this engine's leases last.
    pub fn terms(&self) -> LeaseTerms {
        self.0.terms
    }

    /// Where asks stand in line.
    pub(crate) fn group(&self) -> &Group {
        &self.0.group
    }

    /// How many asks may share a transaction.
    pub(crate) fn most(&self) -> usize {
        self.0.most
    }

    /// Closes all connections. A private server goes on running.
    pub async fn close(&self) {
        let Connections { pool, line, .. } = self.0.connections.read().await.clone();
        tokio::join!(pool.close(), line.close());
    }

    /// Does `work`, again after a lost connection, for up to half a minute. `doing` completes "the ledger could not".
    pub(crate) async fn with<T, W, F>(&self, doing: &'static str, work: W) -> Result<T, LedgerError>
    where
        W: Fn(PgPool) -> F,
        F: Future<Output = Result<T, Fault>>,
    {
        self.within(self.trying(SILENCE), doing, |connections| work(connections.pool)).await
    }

    /// The same for work that grows with the ledger or the study.
    pub(crate) async fn with_much<T, W, F>(&self, doing: &'static str, work: W) -> Result<T, LedgerError>
    where
        W: Fn(PgPool) -> F,
        F: Future<Output = Result<T, Fault>>,
    {
        self.within(self.trying(LONG_SILENCE), doing, |connections| work(connections.pool)).await
    }

    /// The same, on the connection of the line of asks.
    pub(crate) async fn in_line<T, W, F>(&self, doing: &'static str, work: W) -> Result<T, LedgerError>
    where
        W: Fn(PgPool) -> F,
        F: Future<Output = Result<T, Fault>>,
    {
        self.within(self.trying(SILENCE), doing, |connections| work(connections.line)).await
    }

    fn trying(&self, silence: Duration) -> Trying {
        Trying { patience: self.0.manner.patience, silence }
    }

    async fn within<T, W, F>(&self, trying: Trying, doing: &'static str, work: W) -> Result<T, LedgerError>
    where
        W: Fn(Connections) -> F,
        F: Future<Output = Result<T, Fault>>,
    {
        let mut deadline: Option<Instant> = None;
        let mut pause = Duration::from_millis(5);
        loop {
            let connections = self.0.connections.read().await.clone();
            let (generation, options) = (connections.generation, connections.options.clone());
            let source = match tokio::time::timeout(trying.silence, Box::pin(work(connections))).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(Fault::Final(error))) => return Err(error),
                Ok(Err(Fault::Sql(source))) => source,
                Err(_) => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
            };
            let place = || self.0.place.to_string();
            match Cure::of(&source) {
                Cure::Reconnect | Cure::Again => {}
                Cure::Room => return Err(LedgerError::Full { place: place(), source }),
                Cure::Credentials => return Err(LedgerError::Refused { place: place(), source }),
                Cure::Trust => return Err(LedgerError::Untrusted { place: place(), source }),
                Cure::Rights => return Err(LedgerError::NotAllowed { place: place(), doing, source }),
                Cure::None => return Err(LedgerError::Query { place: place(), doing, source }),
            }
            if Instant::now() > *deadline.get_or_insert_with(|| Instant::now() + trying.patience) {
                return Err(self.unreachable(&options, source).await);
            }
            if Cure::of(&source) == Cure::Reconnect {
                self.reconnect(generation).await?;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Replaces the pool of `generation`, after seeing to it that a private server runs. Whoever comes second finds it done.
    async fn reconnect(&self, generation: u64) -> Result<(), LedgerError> {
        let mut connections = self.0.connections.write().await;
        if connections.generation == generation {
            let options = address(&self.0.place, self.0.terms, self.0.manner).await?;
            *connections = Connections::new(generation + 1, options);
        }
        Ok(())
    }

    /// The error for a server that cannot be reached; with the reason of one more try, since a pool tells only that it waited.
    async fn unreachable(&self, options: &PgConnectOptions, source: sqlx::Error) -> LedgerError {
        let last = tokio::time::timeout(Duration::from_secs(2), PgConnection::connect_with(options)).await;
        let source = match last {
            Ok(Err(reason)) => reason,
            _ => source,
        };
        let place = self.0.place.to_string();
        match Cure::of(&source) {
            Cure::Credentials => LedgerError::Refused { place, source },
            Cure::Trust => LedgerError::Untrusted { place, source },
            _ => LedgerError::Unreachable { place, source },
        }
    }

    /// Checks the server's version and brings the tables up to date. Where they are, that takes two questions.
    async fn prepare(&self, pool: PgPool) -> Result<(), Fault> {
        let place = || self.0.place.to_string();
        // One connection for both questions: given back in between, it might not be there yet, and another would be made.
        let mut connection = pool.acquire().await?;
        let (number, found, prepared): (i32, String, bool) = sqlx::query_as(
            "select current_setting('server_version_num')::int, current_setting('server_version'), \
             to_regclass('isoflop._sqlx_migrations') is not null",
        )
        .fetch_one(&mut *connection)
        .await?;
        if number < 150_000 {
            return Err(LedgerError::TooOld { place: place(), found }.into());
        }
        if prepared {
            let applied: Vec<(i64, bool, Vec<u8>)> =
                sqlx::query_as("select version, success, checksum from _sqlx_migrations order by version")
                    .fetch_all(&mut *connection)
                    .await?;
            let known = MIGRATIONS.iter().map(|m| (m.version, true, m.checksum.to_vec()));
            if known.eq(applied) {
                return Ok(());
            }
        } else {
            let mut transaction = pool.begin().await?;
            sqlx::query("select pg_advisory_xact_lock($1)").bind(SCHEMA_LOCK).execute(&mut *transaction).await?;
            sqlx::query("create schema if not exists isoflop").execute(&mut *transaction).await?;
            transaction.commit().await?;
        }
        drop(connection);
        MIGRATIONS.run(&pool).await.map_err(|error| match error {
            MigrateError::VersionMissing(version) => LedgerError::Newer { place: place(), version }.into(),
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => Fault::Sql(source),
            source => LedgerError::Migration { place: place(), source }.into(),
        })
    }
}

/// Does what waits for files and processes where it keeps nobody from running.
async fn blocking<T: Send + 'static>(
    server: &PrivateServer,
    work: fn(&PrivateServer) -> Result<T, ServerError>,
) -> Result<T, LedgerError> {
    let server = server.clone();
    let done = tokio::task::spawn_blocking(move || work(&server)).await;
    Ok(done.expect("looking after a server does not panic")?)
}

/// How to connect to `place`; for a private server, after seeing to it that it runs.
async fn address(place: &Place, terms: LeaseTerms, manner: Manner) -> Result<PgConnectOptions, LedgerError> {
    let url = match place {
        Place::Url(url) => url.clone(),
        Place::Private(server) => blocking(server, PrivateServer::ensure).await?,
    };
    let options =
        PgConnectOptions::from_str(&url).map_err(|source| LedgerError::Address { place: place.to_string(), source })?;
    // A paused engine holds on to what it had locked, and nobody could take its keys over; so its connection goes when its leases do.
    let pause = terms.length().max(SHORTEST_PAUSE).as_millis().to_string();
    let session = [("search_path", SCHEMA), ("idle_in_transaction_session_timeout", &pause)];
    let options = options.application_name(SCHEMA).options(session).disable_statement_logging();
    Ok(if manner.reads { options.options([("default_transaction_read_only", "on")]) } else { options })
}
