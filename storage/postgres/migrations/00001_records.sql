-- +goose Up

-- A table for each kind of record, all of one shape:
--
--   key         sorts by its bytes
--   value       is JSON, kept to the byte: jsonb would drop white space, order and doubles, and what
--               was written would not be what is read
--   version     is drawn at random by the writer, and is never 0
--   expires_at  is in whole milliseconds; null: never
--
-- The partial index is for the sweep. Only statements that CockroachDB and YugabyteDB know too.

CREATE TABLE users (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX users_expiry ON users (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE usernames (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX usernames_expiry ON usernames (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE emails (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX emails_expiry ON emails (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE identities (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX identities_expiry ON identities (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE sessions (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX sessions_expiry ON sessions (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE consents (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX consents_expiry ON consents (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE codes (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX codes_expiry ON codes (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE grants (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX grants_expiry ON grants (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE refresh_tokens (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE access_tokens (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX access_tokens_expiry ON access_tokens (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE revoked_tokens (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX revoked_tokens_expiry ON revoked_tokens (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE signing_keys (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX signing_keys_expiry ON signing_keys (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE clients (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX clients_expiry ON clients (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE pushed_requests (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX pushed_requests_expiry ON pushed_requests (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE device_codes (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX device_codes_expiry ON device_codes (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE user_codes (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX user_codes_expiry ON user_codes (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE user_sessions (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX user_sessions_expiry ON user_sessions (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE session_ends (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX session_ends_expiry ON session_ends (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE logouts (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX logouts_expiry ON logouts (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE marks (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX marks_expiry ON marks (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE server_secrets (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX server_secrets_expiry ON server_secrets (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE audit_events (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX audit_events_expiry ON audit_events (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE audit_blocks (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX audit_blocks_expiry ON audit_blocks (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE audit_heads (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX audit_heads_expiry ON audit_heads (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE formats (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX formats_expiry ON formats (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE leases (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX leases_expiry ON leases (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE login_failures (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX login_failures_expiry ON login_failures (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE user_grants (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX user_grants_expiry ON user_grants (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE managed_clients (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX managed_clients_expiry ON managed_clients (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE client_changes (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX client_changes_expiry ON client_changes (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE secret_orders (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX secret_orders_expiry ON secret_orders (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE transfers (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX transfers_expiry ON transfers (expires_at) WHERE expires_at IS NOT NULL;
