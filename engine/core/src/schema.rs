//! JSON Schema: checking values against an input's or a module's schema, and the schemas of the two languages for editors.
