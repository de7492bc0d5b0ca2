//! Every rule of verdicts as a small history: who wrote what on top of what, and what stands in the end.
//!
//! All play in one schema ([`club`]), most with the same members ([`MEMBERS`]). Read a line of a story as: name, author, what he
//! had seen, what he did. [`each_scenario!`](crate::each_scenario) makes a test of each for whatever evaluates.

pub mod arrivals;
pub mod claims;
pub mod disputes;
pub mod hostile;
pub mod permissions;
pub mod references;
pub mod tables;
pub mod transactions;

use expect_test::Expect;
use treaty_schema::{Command, Comparison, LogicalType, OnDelete, Patch};

use crate::drawn_schema::{TableDraft, all, always, author, col, compare, eq, exists, patch, scalar, table, text};
use crate::scenario::Scenario;

/// Anna, Ben and Cleo administer, appointed in this order; Dora and Eric edit. Mallory and her puppet are strangers.
pub const MEMBERS: &str = "insert members anna who=@anna role=admin; insert members ben who=@ben role=admin; \
    insert members cleo who=@cleo role=admin; insert members dora who=@dora role=editor; \
    insert members eric who=@eric role=editor";

/// Seven who administer, appointed in this order.
pub const COUNCIL: &str = "insert members anna who=@anna role=admin; insert members ben who=@ben role=admin; \
    insert members cleo who=@cleo role=admin; insert members dora who=@dora role=admin; \
    insert members eric who=@eric role=admin; insert members fred who=@fred role=admin; \
    insert members gina who=@gina role=admin";

/// Makes a test of every scenario: `each_scenario!(crate::check)`, where `check` takes a [`Scenario`].
#[macro_export]
macro_rules! each_scenario {
    ($check:path) => {
        $crate::scenario_tests!($check, permissions:
            use_before_revoke_stays_and_a_concurrent_use_is_void
            a_use_after_the_revocation_is_refused
            another_row_that_permits_it_is_enough
            all_rows_that_permit_it_are_gone
            a_concurrent_grant_permits_nothing
            what_relies_on_a_void_grant_is_void
            a_void_grant_permits_nothing_on_top_of_both
            a_revocation_placed_below_reaches_everything_after_its_place
            a_void_revocation_does_not_reach_anybody
            updates_and_deletes_of_the_revoked_are_undone
            the_row_at_hand_is_read_as_inserted
            what_needs_no_row_cannot_be_revoked
            co_transactions_of_an_entry_are_judged_one_by_one
            one_false_operation_voids_all_of_its_transaction
            a_revocation_of_the_past_that_is_live_again_reaches_the_use
            a_role_is_changed_by_another_row
            another_policy_that_permits_it_is_enough
            a_row_that_one_has_not_seen_cannot_be_named
            what_is_deleted_is_deleted_again_to_no_effect
        );
        $crate::scenario_tests!($check, transactions:
            grant_then_use_is_fine_forwards_and_refused_backwards
            resign_then_use_is_fine_in_one_transaction_only
            a_resignation_reaches_what_was_done_concurrently
            a_parent_and_its_child_are_inserted_in_any_order
            nothing_refers_to_a_row_that_the_same_transaction_deletes
            two_unique_values_swap_in_one_transaction
            a_row_is_replaced_under_its_key
            a_delete_carries_its_cascades
            a_reference_that_was_released_carries_nothing
            a_cascade_relies_on_the_reference_that_it_follows
            a_deleted_id_is_inserted_again_in_one_transaction
            a_cascade_ends_with_a_release_that_is_live_again
            an_own_write_of_greater_position_releases_a_concurrent_reference
            an_own_write_of_smaller_position_releases_nothing
            a_cascade_relies_on_the_row_that_refers
            a_later_own_insert_permits_nothing
        );
        $crate::scenario_tests!($check, references:
            against_a_concurrent_delete_the_reference_is_void
            a_delete_that_has_seen_the_references_carries_them
            under_set_null_both_survive
            under_set_null_the_reference_returns_with_its_row
            under_set_null_a_reference_to_what_never_was_is_void
            under_restrict_the_reference_wins
            under_restrict_a_void_reference_does_not_count
            under_restrict_a_delete_that_has_seen_the_reference_is_refused
            under_restrict_a_concurrent_release_is_too_late
            a_hidden_reference_is_void_all_the_same
            a_delete_falls_with_the_release_it_had_seen
            a_delete_falls_when_what_referred_is_live_again
            a_delete_stands_while_what_referred_is_void
            references_fall_with_their_target_down_the_line
            two_deletes_of_one_row_both_stand
            an_update_refers_as_an_insert_does
            a_delete_of_the_past_that_is_live_again_takes_the_reference
            a_reference_of_a_row_that_never_was_does_not_count
        );
        $crate::scenario_tests!($check, claims:
            the_more_senior_claim_wins
            different_keys_and_nulls_do_not_meet
            a_key_of_two_columns_is_claimed_as_a_whole
            a_claim_of_a_key_that_is_taken_is_refused
            claims_of_one_authority_go_by_position
            a_void_claim_does_not_count
            a_release_that_the_other_had_not_seen_does_not_free_the_key
            a_release_frees_the_key_for_those_who_saw_it
            a_claim_falls_with_the_release_it_had_seen
            a_hidden_claim_counts
            an_update_that_loses_its_key_is_undone
            authority_that_anybody_can_take_loses
            rank_is_fixed_in_the_past_of_the_claim
            one_of_three_claims_stands
            a_transaction_falls_as_a_whole_with_a_key
            a_claim_of_the_past_that_is_live_again_has_the_key
            a_claim_of_a_row_that_never_was_does_not_count
            a_key_is_as_large_as_an_index_holds
            the_columns_of_a_key_count_together
            a_key_with_null_in_it_is_no_larger
            of_two_large_keys_one_is_shown_whole
        );
        $crate::scenario_tests!($check, disputes:
            s1_the_removed_cannot_remove_back
            s2a_the_junior_removes_the_absent_senior
            s2b_the_answer_of_the_senior_brings_everything_back
            s3_a_puppet_is_junior_to_its_maker
            s4_a_ring_of_three
            s5_a_ring_of_two
            s5_a_ring_of_four
            s5_a_ring_of_five
            s5_a_ring_of_six
            s5_a_ring_of_seven
            the_most_senior_stands_against_all
            use_then_revoke_both_stand
            a_later_operation_of_an_older_authority_wins
            the_most_junior_authority_used_decides
            the_most_senior_row_that_stands_decides
            a_row_that_is_gone_gives_no_seniority
            what_is_open_to_all_does_not_count
            separate_disputes_are_decided_separately
            a_dispute_that_depends_on_another_waits_for_it
            a_revocation_bundled_with_a_claim_falls_with_the_claim
            a_revocation_of_its_own_does_not_fall_with_a_claim
            a_pick_overrides_the_better_claim_it_disputes_with
            a_pick_overrides_the_reference_it_disputes_with
            a_pick_overrides_the_delete_it_disputes_with
            a_pick_overrides_what_attacks_it_from_its_past
            a_pick_takes_the_alternative_whose_attackers_are_latest
            a_delete_permitted_by_its_cascade_costs_no_seniority
            a_group_never_locks_itself_out
            seniority_is_read_while_other_disputes_are_open
            seniority_is_read_after_the_disputes_one_depends_on
        );
        $crate::scenario_tests!($check, arrivals:
            a_dispute_is_decided_anew_when_what_it_looks_at_is_disputed
        );
        $crate::scenario_tests!($check, hostile:
            a_revoked_author_back_dates_data_and_deletes
            a_revoked_author_back_dates_grants
            a_revoked_author_back_dates_a_counter_revocation
            sock_puppets_by_back_dated_grants_achieve_nothing
            a_unique_key_cannot_be_taken_by_back_dating
            an_id_cannot_be_taken_by_back_dating
            references_follow_the_row_and_not_its_id
            a_reference_back_dated_against_a_delete_is_void
            a_reference_does_not_veto_a_revocation
            seniority_cannot_be_fetched_from_an_open_table
            seniority_cannot_be_fetched_from_an_own_row
            strangers_and_descendants_of_refused_entries_are_refused
            equivocation_is_two_entries_that_both_count
            equivocation_does_not_give_a_key_twice
            a_late_entry_at_genesis_voids_nothing
            a_removed_author_on_top_of_his_removal_is_refused
            counter_revocations_of_any_depth_are_decided_by_seniority
            a_copied_id_passes_no_policy_in_the_name_of_another
            seniority_cannot_be_handed_on_from_an_open_table
            seniority_cannot_be_fetched_by_using_an_open_row_with_one_of_genesis
        );
        $crate::scenario_tests!($check, tables:
            the_last_live_writer_wins_by_column
            a_void_write_uncovers_the_one_before_it
            column_groups_merge_as_one_cell
            a_row_returns_with_its_writes
            writes_to_a_row_that_is_gone_have_no_effect
            of_twins_the_one_of_smallest_rank_has_the_id
            a_twin_has_the_id_when_the_other_is_gone
            a_deleted_id_is_another_row_when_inserted_again
            a_version_is_shown_as_it_was_and_as_is_known_now
            an_entry_without_operations_merges
        );
    };
}

/// Makes a test of each scenario of a file.
#[doc(hidden)]
#[macro_export]
macro_rules! scenario_tests {
    ($check:path, $file:ident: $($name:ident)*) => {
        mod $file {
            $(
                #[test]
                fn $name() {
                    $check(&$crate::scenarios::$file::$name());
                }
            )*
        }
    };
}

/// A story among [`MEMBERS`].
fn members(story: &'static str, expected: Expect) -> Scenario {
    Scenario { schema: club(), genesis: MEMBERS, story, expected }
}

/// A story among the [`COUNCIL`].
fn council(story: &'static str, expected: Expect) -> Scenario {
    Scenario { schema: club(), genesis: COUNCIL, story, expected }
}

/// The tables of a club. A *member* is `EXISTS (SELECT 1 FROM members m WHERE m.who = author())`, an *admin* one whose role is
/// `'admin'`.
///
/// ```sql
/// CREATE TABLE members  (who IDENTITY NOT NULL, role TEXT NOT NULL); -- fixed; admins insert and delete
/// CREATE TABLE guests   (who IDENTITY NOT NULL);                     -- fixed; anybody inserts; admins delete
/// CREATE TABLE notes    (title TEXT, body TEXT);                     -- members
/// CREATE TABLE drafts   (owner IDENTITY NOT NULL, words TEXT);       -- owner fixed; the owner, and he alone
/// CREATE TABLE bookings (room TEXT UNIQUE, purpose TEXT);            -- members and guests
/// CREATE TABLE seats    (line INTEGER, place INTEGER, UNIQUE (line, place)); -- members
/// CREATE TABLE budgets  (amount INTEGER, spent INTEGER, CHECK (spent <= amount)); -- members
/// CREATE TABLE projects (name TEXT);                                 -- members
/// CREATE TABLE issues   (project REFERENCES projects ON DELETE CASCADE, title TEXT); -- members; admins delete
/// CREATE TABLE labels   (project REFERENCES projects ON DELETE NO ACTION, words TEXT); -- members
/// CREATE TABLE stars    (project REFERENCES projects ON DELETE SET NULL, words TEXT);  -- members
/// CREATE TABLE invoices (project REFERENCES projects ON DELETE RESTRICT, words TEXT);  -- members
/// CREATE TABLE remarks  (issue REFERENCES issues ON DELETE CASCADE, words TEXT); -- members; admins delete
/// CREATE TABLE shelves  (hall TEXT, label TEXT, keeper IDENTITY, UNIQUE (hall, label, keeper)); -- members
/// ```
pub fn club() -> Patch {
    let fixed = |draft: TableDraft, columns: &[&str]| draft.frozen(columns);
    let people = fixed(
        table("members").required("who", LogicalType::Identity).required("role", LogicalType::Text),
        &["who", "role"],
    );
    let people = people.policy(Command::Insert, is_admin()).policy(Command::Delete, is_admin());
    let guests = fixed(table("guests").required("who", LogicalType::Identity), &["who"]);
    let guests = guests.policy(Command::Insert, always()).policy(Command::Delete, is_admin());
    let is_owner = || scalar(eq(col("owner"), author()));
    let drafts = table("drafts").required("owner", LogicalType::Identity).column("words", LogicalType::Text);
    let drafts = fixed(drafts, &["owner"])
        .policy(Command::Insert, is_owner())
        .policy(Command::Update, is_owner())
        .policy(Command::Delete, is_owner());
    let bookings = table("bookings").column("room", LogicalType::Text).column("purpose", LogicalType::Text);
    let bookings = of_members(bookings.unique(&["room"]))
        .policy(Command::Insert, is_guest())
        .policy(Command::Update, is_guest())
        .policy(Command::Delete, is_guest());
    let seats = table("seats").column("line", LogicalType::Integer).column("place", LogicalType::Integer);
    let budgets = table("budgets").column("amount", LogicalType::Integer).column("spent", LogicalType::Integer);
    let within = compare(Comparison::LessOrEqual, col("spent"), col("amount"));
    let notes = table("notes").column("title", LogicalType::Text).column("body", LogicalType::Text);
    let shelves = table("shelves").column("hall", LogicalType::Text).column("label", LogicalType::Text);
    let shelves = shelves.column("keeper", LogicalType::Identity);
    patch([
        people,
        guests,
        of_members(notes),
        drafts,
        bookings,
        of_members(seats.unique(&["line", "place"])),
        of_members(budgets.check("within", within)),
        of_members(table("projects").column("name", LogicalType::Text)),
        of_admins(referring("issues", "project", "projects", OnDelete::Cascade).column("title", LogicalType::Text)),
        of_members(referring("labels", "project", "projects", OnDelete::NoAction).column("words", LogicalType::Text)),
        of_members(referring("stars", "project", "projects", OnDelete::SetNull).column("words", LogicalType::Text)),
        of_members(referring("invoices", "project", "projects", OnDelete::Restrict).column("words", LogicalType::Text)),
        of_admins(referring("remarks", "issue", "issues", OnDelete::Cascade).column("words", LogicalType::Text)),
        of_members(shelves.unique(&["hall", "label", "keeper"])),
    ])
}

fn referring(name: &str, column: &str, target: &str, on_delete: OnDelete) -> TableDraft {
    table(name).references(column, target, on_delete)
}

/// Members do everything.
fn of_members(draft: TableDraft) -> TableDraft {
    draft.policy(Command::Insert, is_member()).policy(Command::Update, is_member()).policy(Command::Delete, is_member())
}

/// Members insert and update, admins delete.
fn of_admins(draft: TableDraft) -> TableDraft {
    draft.policy(Command::Insert, is_member()).policy(Command::Update, is_member()).policy(Command::Delete, is_admin())
}

fn is_member() -> treaty_schema::NamedCondition {
    exists(&["members m"], eq(col("m.who"), author()))
}

fn is_admin() -> treaty_schema::NamedCondition {
    exists(&["members m"], all([eq(col("m.who"), author()), eq(col("m.role"), text("admin"))]))
}

fn is_guest() -> treaty_schema::NamedCondition {
    exists(&["guests g"], eq(col("g.who"), author()))
}
