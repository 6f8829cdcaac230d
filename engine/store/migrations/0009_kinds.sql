-- Kinds of sign-in beside OAuth 2: each connection says which it came by.

-- A program that takes every connection for one of OAuth 2 would find no token in the others.
UPDATE store_facts SET value = '9' WHERE name = 'min_reader';

-- `oauth2`, `client_credentials`, `password`, `api_key` or `custom`: which secrets it has, and how they are sent.
ALTER TABLE connections ADD COLUMN scheme TEXT NOT NULL DEFAULT 'oauth2';
