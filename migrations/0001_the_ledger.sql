-- The ledger's tables. See README.md beside this file for what each is for and for the rules.
--
-- All live in the schema `isoflop`, which is made before migrations run and is first on every connection's search path. Keys and digests
-- are 32 bytes; texts that were hashed are `text`, never `jsonb`, which would reorder and rewrite them.

create domain digest as bytea constraint digest_size check (octet_length(value) = 32);

-- One row a run: one plan carried out by one engine. `events` and `head` are the length and the last hash of its chain.
create table runs (
    id       uuid        not null,
    study    text        not null,
    file     text        not null,
    plan     digest      not null,
    soft     text        not null,
    holder   text        not null,
    state    text        not null default 'running',
    tasks    bigint      not null,
    began    timestamptz not null,
    ended    timestamptz,
    events   bigint      not null default 0,
    head     digest      not null,
    constraint runs_pk primary key (id),
    constraint runs_state check (state in ('running', 'done', 'failed', 'interrupted')),
    constraint runs_ended check ((state = 'running') = (ended is null))
);

-- Every recipe ever planned, by key: the text that was hashed. Append-only.
create table recipes (
    key       digest  not null,
    kind      text    not null,
    revision  bigint  not null,
    text      text    not null,
    first_run uuid    not null,
    constraint recipes_pk primary key (key),
    constraint recipes_first_run foreign key (first_run) references runs (id)
);

-- The edges of all plans: what a recipe needs, by port and, for a gather, by cell label. Taken from the recipe's text.
create table needs (
    key   digest not null,
    port  text   not null,
    label text   not null default '',
    need  digest not null,
    constraint needs_pk primary key (key, port, label),
    constraint needs_key foreign key (key) references recipes (key)
);
create index needs_need on needs (need);

-- Every artifact ever made: its manifest's canonical text, whose digest it is. Append-only.
create table artifacts (
    digest    digest not null,
    shape     text   not null,
    text      text   not null,
    bytes     bigint not null,
    first_run uuid   not null,
    constraint artifacts_pk primary key (digest),
    constraint artifacts_first_run foreign key (first_run) references runs (id)
);

-- Every execution of a task. `fence` is that of its lease. No outcome: it runs, or its engine died; then whoever takes over says `lost`.
create table attempts (
    id       uuid        not null,
    run      uuid        not null,
    task     text        not null,
    key      digest      not null,
    fence    bigint      not null,
    purpose  text        not null,
    holder   text        not null,
    soft     text        not null,
    began    timestamptz not null,
    ended    timestamptz,
    outcome  text,
    artifact digest,
    reason   text,
    class    text,
    seconds  double precision,
    constraint attempts_pk primary key (id),
    constraint attempts_run foreign key (run) references runs (id),
    constraint attempts_key foreign key (key) references recipes (key),
    constraint attempts_artifact foreign key (artifact) references artifacts (digest),
    constraint attempts_purpose check (purpose in ('make', 'remake', 'witness')),
    constraint attempts_outcome check (outcome in ('made', 'diverged', 'failed', 'lost')),
    constraint attempts_ended check ((outcome is null) = (ended is null)),
    constraint attempts_made check ((outcome is not distinct from 'made') = (artifact is not null))
);
create index attempts_by_key on attempts (key, began);
create index attempts_by_run on attempts (run, began);

-- What stands under a key. The first result stands; only a remake (its bytes were lost) takes its place. Failures leave no row.
create table results (
    key      digest      not null,
    outcome  text        not null,
    artifact digest,
    reason   text,
    attempt  uuid,
    run      uuid        not null,
    at       timestamptz not null,
    constraint results_pk primary key (key),
    constraint results_key foreign key (key) references recipes (key),
    constraint results_artifact foreign key (artifact) references artifacts (digest),
    constraint results_attempt foreign key (attempt) references attempts (id),
    constraint results_run foreign key (run) references runs (id),
    constraint results_outcome check (outcome in ('made', 'diverged')),
    constraint results_made check ((outcome = 'made') = (artifact is not null))
);

-- Traces (recipes with needs by digest) already seen, and a key whose result they led to: early cut-off.
create table traces (
    trace digest not null,
    key   digest not null,
    constraint traces_pk primary key (trace),
    constraint traces_key foreign key (key) references results (key)
);

-- The plan of each run, and how each task of it came out in that run. Run and key are written in the transaction that writes `runs` and
-- `recipes`; foreign keys would only ask again, row by row, which took two thirds of the time of a run in which everything is kept.
create table plan_tasks (
    run      uuid   not null,
    position bigint not null,
    name     text   not null,
    key      digest not null,
    outcome  text,
    artifact digest,
    attempt  uuid,
    reason   text,
    constraint plan_tasks_pk primary key (run, position),
    constraint plan_tasks_name unique (name, run),
    constraint plan_tasks_outcome check (outcome in ('kept', 'adopted', 'made', 'diverged', 'failed', 'blocked'))
);

-- What bodies measured.
create table metrics (
    attempt uuid             not null,
    series  text             not null,
    step    bigint           not null,
    value   double precision not null,
    constraint metrics_pk primary key (attempt, series, step),
    constraint metrics_attempt foreign key (attempt) references attempts (id)
);

-- Who may run a key. A row stays when a lease is given back (no holder), so that its fence never goes down.
create table leases (
    key     digest      not null,
    fence   bigint      not null,
    holder  text,
    run     uuid,
    since   timestamptz not null,
    expires timestamptz not null,
    constraint leases_pk primary key (key),
    constraint leases_fence check (fence > 0)
);
create index leases_by_run on leases (run) where holder is not null;

-- Facts, one chain a run: hash = BLAKE3 (prev, 32 bytes || body, UTF-8). `body` is canonical text and holds run, seq and time too.
-- Append-only.
create table events (
    run  uuid        not null,
    seq  bigint      not null,
    at   timestamptz not null,
    body text        not null,
    prev digest      not null,
    hash digest      not null,
    constraint events_pk primary key (run, seq),
    constraint events_run foreign key (run) references runs (id),
    constraint events_seq check (seq > 0)
);

-- A second line beside the chain: a slip of the hand is refused at once. The chain is what finds out somebody who means it.
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'table % is append-only', tg_table_name
        using hint = 'facts are never changed or removed; record a new one', errcode = 'restrict_violation';
end
$$;
create trigger events_append_only before update or delete or truncate on events
    for each statement execute function refuse_change();
create trigger recipes_append_only before update or delete or truncate on recipes
    for each statement execute function refuse_change();
create trigger artifacts_append_only before update or delete or truncate on artifacts
    for each statement execute function refuse_change();

-- Views for reviewers: documented in README.md, and stable. Columns may be added, none removed.
create view v_run as
select r.id as run, r.study, r.file, encode(r.plan, 'hex') as plan, r.state, r.began, r.ended, r.tasks,
       (select count(*) from plan_tasks p where p.run = r.id and p.outcome = 'kept')     as kept,
       (select count(*) from plan_tasks p where p.run = r.id and p.outcome = 'adopted')  as adopted,
       (select count(*) from plan_tasks p where p.run = r.id and p.outcome = 'made')     as made,
       (select count(*) from plan_tasks p where p.run = r.id and p.outcome = 'diverged') as diverged,
       (select count(*) from plan_tasks p where p.run = r.id and p.outcome = 'failed')   as failed,
       (select count(*) from plan_tasks p where p.run = r.id and p.outcome = 'blocked')  as blocked,
       r.events, encode(r.head, 'hex') as head, r.holder, r.soft
from runs r;

create view v_task as
select p.run, r.study, p.position, p.name as task, c.kind, c.revision, encode(p.key, 'hex') as key, p.outcome,
       encode(p.artifact, 'hex') as artifact, a.shape, a.bytes, p.attempt, p.reason, c.text as recipe, a.text as manifest
from plan_tasks p
join runs r on r.id = p.run
join recipes c on c.key = p.key
left join artifacts a on a.digest = p.artifact;

create view v_attempt as
select t.id as attempt, t.run, t.task, encode(t.key, 'hex') as key, t.purpose, t.fence, t.holder, t.began, t.ended, t.outcome,
       encode(t.artifact, 'hex') as artifact, t.class, t.reason, t.seconds,
       coalesce(t.artifact = s.artifact, false) as same_bits_as_result, t.soft
from attempts t
left join results s on s.key = t.key;

create view v_metric as
select m.attempt, t.run, t.task, encode(t.key, 'hex') as key, m.series, m.step, m.value
from metrics m
join attempts t on t.id = m.attempt;

create view v_lineage as
select encode(n.key, 'hex') as key, c.kind, encode(s.artifact, 'hex') as artifact, n.port, n.label,
       encode(n.need, 'hex') as need, d.kind as need_kind, encode(u.artifact, 'hex') as need_artifact
from needs n
join recipes c on c.key = n.key
left join results s on s.key = n.key
left join recipes d on d.key = n.need
left join results u on u.key = n.need;
