//! The apps that come with Actas.
