-- +goose Up

-- What format 2 of the records adds. The tables are of the shape of the first ones.

CREATE TABLE user_identities (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX user_identities_expiry ON user_identities (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE trusted_networks (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX trusted_networks_expiry ON trusted_networks (expires_at) WHERE expires_at IS NOT NULL;
