-- +goose Up

-- What format 3 of the records adds. The tables are of the shape of the first ones.

CREATE TABLE revocations (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX revocations_expiry ON revocations (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE feed_states (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX feed_states_expiry ON feed_states (expires_at) WHERE expires_at IS NOT NULL;
