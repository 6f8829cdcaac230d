-- How people are asked: sign-ins that no run waits for, and what tells somebody that they are asked.

-- A program that does not know sign-ins without a run (`run_id` is empty then) could not read them.
UPDATE store_facts SET value = '8' WHERE name = 'min_reader';

-- The flow from whose page somebody began a sign-in by themselves, for it or for one that it runs; empty where a run asks.
ALTER TABLE sign_ins ADD COLUMN back_flow TEXT NOT NULL DEFAULT '';

-- What is still to be said to somebody: written with the pause, gone once it was said. `person_id` and `channel` are empty until it is due:
-- who is asked, and how they want to hear of it, is found then. `tries` is the fence of those who take it on.
CREATE TABLE notices (
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    about TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    flow_id TEXT NOT NULL,
    person_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    tries BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, id)
);

CREATE INDEX notices_due ON notices (due_at);
