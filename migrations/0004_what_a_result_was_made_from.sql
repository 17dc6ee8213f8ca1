-- What a result was made from: the digest of its recipe's trace. A task may be made again with other bits under the same key; what rested on the
-- former ones is told by this, without a walk through events.
alter table results add column trace digest;

-- Results of before have it from the event that recorded them; where none tells, it stays null. Events are searched as texts: one that is no JSON any
-- more is for the audit to find, and must not keep a ledger from being opened.
update results r
set trace = decode(substring(e.body from '"trace":"([0-9a-f]{64})"'), 'hex')
from events e
where e.run = r.run and e.at = r.at
  and e.body ~ '"event":"(made|diverged|adopted)"'
  and position('"key":"' || encode(r.key, 'hex') || '"' in e.body) > 0;
