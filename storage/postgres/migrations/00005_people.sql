-- +goose Up

-- What format 4 of the records adds. The tables are of the shape of the first ones.

CREATE TABLE proofs (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX proofs_expiry ON proofs (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE live_proofs (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX live_proofs_expiry ON live_proofs (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE passkeys (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX passkeys_expiry ON passkeys (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE totps (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX totps_expiry ON totps (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE recovery_codes (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX recovery_codes_expiry ON recovery_codes (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE remembered_devices (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX remembered_devices_expiry ON remembered_devices (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE known_devices (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX known_devices_expiry ON known_devices (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE deleted_users (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX deleted_users_expiry ON deleted_users (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE deliveries (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX deliveries_expiry ON deliveries (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE hash_kinds (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);
CREATE INDEX hash_kinds_expiry ON hash_kinds (expires_at) WHERE expires_at IS NOT NULL;
