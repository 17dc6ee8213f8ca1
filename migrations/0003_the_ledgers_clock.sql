-- One clock for everything that the ledger dates: its own. What an engine's host believes the time to be reaches neither events nor leases.
-- README.md beside this file says what follows when this clock is set back.
create function ledger_time() returns timestamptz language sql volatile as 'select clock_timestamp()';

-- Engines may be given leases of other lengths. With the length in the row, a lease that seems to run longer than it can (the clock was set
-- back since) is cut to its length by whoever looks at it.
alter table leases add column seconds double precision not null default 15;
alter table leases add constraint leases_seconds check (seconds > 0);
