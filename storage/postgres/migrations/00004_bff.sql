-- +goose Up

-- Cookie mode and the gates. The tables are of the shape of the first ones.

CREATE TABLE bff_sessions (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX bff_sessions_expiry ON bff_sessions (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE bff_refs (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX bff_refs_expiry ON bff_refs (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE bff_tickets (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX bff_tickets_expiry ON bff_tickets (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE bff_handovers (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX bff_handovers_expiry ON bff_handovers (expires_at) WHERE expires_at IS NOT NULL;
