//! The sandbox: a small CRM with its own OAuth 2 server.
