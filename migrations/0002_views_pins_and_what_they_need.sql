-- What reviewers read, and what garbage collection must leave alone. README.md beside this file documents every column.

-- Views name keys in hexadecimal; walking `v_lineage` by them needs an index on what it shows. The planner cannot turn `encode` round.
create index needs_key_hex on needs (encode(key, 'hex'));
create index needs_need_hex on needs (encode(need, 'hex'));
create index attempts_key_hex on attempts (encode(key, 'hex'));
-- From an artifact to the keys whose result it is.
create index results_by_artifact on results (artifact) where artifact is not null;

-- What a person wants kept whatever else goes: all of a run, or one key's artifact, with all it rests on if `lineage` is set.
create table pins (
    run     uuid,
    key     digest,
    name    text        not null,
    study   text        not null,
    lineage boolean     not null default false,
    note    text        not null default '',
    by_whom text        not null,
    at      timestamptz not null,
    constraint pins_run foreign key (run) references runs (id),
    constraint pins_key foreign key (key) references recipes (key),
    constraint pins_one check ((run is null) <> (key is null)),
    constraint pins_lineage check (key is not null or not lineage)
);
create unique index pins_run_once on pins (run) where run is not null;
create unique index pins_key_once on pins (key) where key is not null;

-- Views. Columns of 0001 stay where they are; new ones follow. `soft` and recipes are read as `json`, not `jsonb`, which would refuse a text
-- with an escaped zero byte in any member, also one that nobody asked for.
create or replace view v_run as
select r.id as run, r.study, r.file, encode(r.plan, 'hex') as plan, r.state, r.began, r.ended, r.tasks,
       (select count(*) from plan_tasks p where p.run = r.id and p.outcome = 'kept')     as kept,
       (select count(*) from plan_tasks p where p.run = r.id and p.outcome = 'adopted')  as adopted,
       (select count(*) from plan_tasks p where p.run = r.id and p.outcome = 'made')     as made,
       (select count(*) from plan_tasks p where p.run = r.id and p.outcome = 'diverged') as diverged,
       (select count(*) from plan_tasks p where p.run = r.id and p.outcome = 'failed')   as failed,
       (select count(*) from plan_tasks p where p.run = r.id and p.outcome = 'blocked')  as blocked,
       r.events, encode(r.head, 'hex') as head, r.holder, r.soft,
       extract(epoch from r.ended - r.began)::double precision as seconds,
       r.soft::json ->> 'commit'                   as commit,
       (r.soft::json ->> 'dirty')::boolean         as dirty,
       r.soft::json #>> '{set,profile}'            as profile,
       r.soft::json #>> '{set,params}'             as params,
       r.soft::json ->> 'host'                     as host,
       r.soft::json ->> 'engine'                   as engine,
       r.soft::json ->> 'lock'                     as lock,
       exists (select from pins where pins.run = r.id) as pinned
from runs r;

create or replace view v_task as
select p.run, r.study, p.position, p.name as task, c.kind, c.revision, encode(p.key, 'hex') as key, p.outcome,
       encode(p.artifact, 'hex') as artifact, a.shape, a.bytes, p.attempt, p.reason, c.text as recipe, a.text as manifest,
       (c.text::json ->> 'seed')::bigint           as seed,
       c.text::json #>> '{environment,runtime}'    as runtime,
       c.text::json #>> '{environment,device}'     as device,
       c.text::json #>> '{environment,libtorch}'   as libtorch,
       t.run                                       as made_in,
       t.began, t.ended, t.seconds,
       t.soft::json ->> 'host'                     as host,
       t.soft::json ->> 'cpu'                      as cpu,
       t.soft::json ->> 'gpus'                     as gpus,
       t.soft::json ->> 'commit'                   as commit,
       (t.soft::json ->> 'dirty')::boolean         as dirty
from plan_tasks p
join runs r on r.id = p.run
join recipes c on c.key = p.key
left join artifacts a on a.digest = p.artifact
left join attempts t on t.id = p.attempt;

create or replace view v_lineage as
select encode(n.key, 'hex') as key, c.kind, encode(s.artifact, 'hex') as artifact, n.port, n.label,
       encode(n.need, 'hex') as need, d.kind as need_kind, encode(u.artifact, 'hex') as need_artifact,
       s.attempt, u.attempt as need_attempt
from needs n
join recipes c on c.key = n.key
left join results s on s.key = n.key
left join recipes d on d.key = n.need
left join results u on u.key = n.need;

-- Where every execution took place: what is hashed of it (from the recipe) and what is only recorded (from the attempt).
create view v_environment as
select t.id as attempt, t.run, t.task, encode(t.key, 'hex') as key, t.purpose, t.outcome, t.began, t.ended,
       c.text::json #>> '{environment,runtime}'                  as runtime,
       c.text::json #>> '{environment,libtorch}'                 as libtorch,
       c.text::json #>> '{environment,device}'                   as device,
       c.text::json #>> '{environment,isa}'                      as isa,
       c.text::json #>> '{environment,precision}'                as precision,
       (c.text::json #>> '{environment,deterministic}')::boolean as deterministic,
       (c.text::json #>> '{environment,threads}')::bigint        as threads,
       t.soft::json ->> 'host'             as host,
       t.soft::json ->> 'cpu'              as cpu,
       t.soft::json ->> 'gpus'             as gpus,
       t.soft::json ->> 'driver'           as driver,
       t.soft::json ->> 'os'               as os,
       t.soft::json ->> 'engine'           as engine,
       t.soft::json ->> 'lock'             as lock,
       t.soft::json ->> 'workers'          as workers,
       t.soft::json ->> 'commit'           as commit,
       (t.soft::json ->> 'dirty')::boolean as dirty,
       t.holder
from attempts t
join recipes c on c.key = t.key;

-- Final numbers: coefficients, losses, scores, by artifact.
create view v_scalar as
select p.run, p.name as task, encode(p.key, 'hex') as key, encode(p.artifact, 'hex') as artifact, s.key as name,
       s.value::double precision as value
from plan_tasks p
join artifacts a on a.digest = p.artifact
cross join lateral json_each_text(a.text::json -> 'scalars') s;

-- Files of artifacts: checkpoints, data, tables, by digest.
create view v_file as
select encode(a.digest, 'hex') as artifact, a.shape, f.key as file, f.value ->> 'digest' as digest,
       (f.value ->> 'size')::bigint as bytes
from artifacts a
cross join lateral json_each(a.text::json -> 'files') f;
