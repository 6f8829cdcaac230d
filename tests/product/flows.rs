//! The flows that the suites publish.

/// Two steps before the pause, two writes after it: the demo's flow.
pub const WIN: &str = r#"
flow: win
title: Record a win
trigger: {on_demand: {}}
inputs:
  customer: {type: string}
  amount: {type: number, default: 1000}
connections:
  crm: {app: sandbox_crm, dynamic: {ask: when_needed, why: To record the win in your name}}
steps:
  prepare:
    uses: core.set
    with: {name: "{{ inputs.customer | upper }}"}
  check:
    needs: [prepare]
    uses: core.check
    with: {that: "{{ inputs.amount > 0 }}", message: the amount must be positive}
  create:
    needs: [check]
    uses: sandbox_crm.create_record
    connection: crm
    with: {object: Opportunity, fields: {Name: "{{ steps.prepare.name }}", Amount: "{{ inputs.amount }}"}}
    retry: {attempts: 5, first_delay: 100ms, max_delay: 1s}
  note:
    uses: sandbox_crm.create_record
    connection: crm
    with: {object: Note, fields: {About: "{{ steps.create.id }}"}}
    retry: {attempts: 5, first_delay: 100ms, max_delay: 1s}
outputs: {opportunity: "{{ steps.create.id }}", note: "{{ steps.note.id }}"}
"#;
