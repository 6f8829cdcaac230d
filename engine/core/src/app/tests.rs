//! What manifests are refused for, and what the interpreter asks and answers.
