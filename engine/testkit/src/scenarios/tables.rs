//! What tables show: last writer wins among what is live, twins, and other versions.

use expect_test::expect;

use super::members;
use crate::scenario::Scenario;

/// The live write of greatest position has the cell; different columns do not meet.
pub fn the_last_live_writer_wins_by_column() -> Scenario {
    members(
        "one   @anna on genesis: insert notes n title=a body=a
         left  @ben on one:      update n title=left
         more  @ben on left:     update n title=later
         right @cleo on one:     update n title=right body=right",
        expect![[r#"
            one        live
            left       live
            more       live
            right      live
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=later body=right)
        "#]],
    )
}

/// Without the later write, the earlier one is there as if it had never been hidden.
pub fn a_void_write_uncovers_the_one_before_it() -> Scenario {
    members(
        "one  @anna on genesis: insert notes n title=first body=first
         two  @eric on one:     update n title=second
         lost @dora on two:     update n title=third body=third
         out  @anna on two:     delete dora
         show lost from lost
         show lost from all",
        expect![[r#"
            one        live
            two        live
            lost       void: permission of operation 0, lost to out
            out        live
            members:   anna, ben, cleo, eric
            notes:     n(title=second body=first)
            at lost from lost:
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=third body=third)
            at lost from all:
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=second body=first)
        "#]],
    )
}

/// Columns of one CHECK, or of one key, merge as one cell: the combination is one that somebody wrote.
pub fn column_groups_merge_as_one_cell() -> Scenario {
    members(
        "one   @anna on genesis: insert budgets b amount=10 spent=5
         less  @ben on one:      update b amount=5 spent=5
         note  @dora on one:     insert notes n title=x
         more  @cleo on note:    update b amount=20 spent=20
         torn  @cleo on one:     update b amount=5
         wrong @cleo on one:     update b amount=5 spent=6",
        expect![[r#"
            one        live
            less       live
            note       live
            more       live
            torn       refused: schema
            wrong      refused: check
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=x)
            budgets:   b(amount=20 spent=20)
        "#]],
    )
}

/// A row comes back with everything that was written to it when its delete falls.
pub fn a_row_returns_with_its_writes() -> Scenario {
    members(
        "one  @anna on genesis: insert notes n title=a
         gone @dora on one:     delete n
         edit @eric on one:     update n body=written
         out  @anna on edit:    delete dora
         show gone from gone
         show gone edit from gone edit",
        expect![[r#"
            one        live
            gone       void: permission of operation 0, lost to out
            edit       live
            out        live
            members:   anna, ben, cleo, eric
            notes:     n(title=a body=written)
            at gone from gone:
            members:   anna, ben, cleo, dora, eric
            at gone edit from gone edit:
            members:   anna, ben, cleo, dora, eric
        "#]],
    )
}

/// A row whose insert falls takes along what others wrote to it; their transactions stand, without effect on it.
pub fn writes_to_a_row_that_is_gone_have_no_effect() -> Scenario {
    members(
        "one  @dora on genesis: insert notes n title=a
         edit @eric on one:     update n body=b; insert notes m title=mine
         out  @anna on genesis: delete dora",
        expect![[r#"
            one        void: permission of operation 0, lost to out
            edit       live
            out        live
            members:   anna, ben, cleo, eric
            notes:     m(title=mine)
        "#]],
    )
}

/// Of the live rows with one id, the one of smallest rank is shown under it, each other one under another.
pub fn of_twins_the_one_of_smallest_rank_has_the_id() -> Scenario {
    members(
        "one @dora on genesis: insert notes n1 id=n title=dora
         far @anna on genesis: insert notes x title=x
         two @ben on far:      insert notes n2 id=n title=ben",
        expect![[r#"
            one        live
            far        live
            two        live
            members:   anna, ben, cleo, dora, eric
            notes:     n1(title=dora) under another id, n2(title=ben), x(title=x)
        "#]],
    )
}

/// When the first twin falls, the other has the id; nothing is hidden, and nothing is void for it.
pub fn a_twin_has_the_id_when_the_other_is_gone() -> Scenario {
    members(
        "one @dora on genesis: insert projects p1 id=p name=dora
         far @anna on genesis: insert notes x title=x
         two @ben on far:      insert projects p2 id=p name=ben
         ref @eric on one two: insert stars s1 project=p1 words=to-p1; insert stars s2 project=p2 words=to-p2
         out @anna on two:     delete ben; delete p2
         show one two from one two
         show ref from ref",
        expect![[r#"
            one        live
            far        live
            two        live
            ref        live
            out        live
            members:   anna, cleo, dora, eric
            notes:     x(title=x)
            projects:  p1(name=dora)
            stars:     s1(project=p1 words=to-p1), s2(words=to-p2)
            at one two from one two:
            members:   anna, ben, cleo, dora, eric
            notes:     x(title=x)
            projects:  p1(name=dora) under another id, p2(name=ben)
            at ref from ref:
            members:   anna, ben, cleo, dora, eric
            notes:     x(title=x)
            projects:  p1(name=dora) under another id, p2(name=ben)
            stars:     s1(project=p1 words=to-p1), s2(project=p2 words=to-p2)
        "#]],
    )
}

/// A deleted id may be inserted again: another row.
pub fn a_deleted_id_is_another_row_when_inserted_again() -> Scenario {
    members(
        "one   @dora on genesis: insert notes n title=first
         taken @dora on one:     insert notes n3 id=n title=taken
         gone  @dora on one:     delete n
         again @dora on gone:    insert notes n2 id=n title=second
         old   @eric on one:     update n body=to-the-first",
        expect![[r#"
            one        live
            taken      refused: duplicate_id
            gone       live
            again      live
            old        live
            members:   anna, ben, cleo, dora, eric
            notes:     n2(title=second)
        "#]],
    )
}

/// `at` says what happened, `from` what is known of it.
pub fn a_version_is_shown_as_it_was_and_as_is_known_now() -> Scenario {
    members(
        "one  @dora on genesis: insert notes n title=one
         two  @dora on one:     insert notes m title=two
         out  @anna on one:     delete dora
         show one from one
         show two from two
         show two from all
         show out from all",
        expect![[r#"
            one        live
            two        void: permission of operation 0, lost to out
            out        live
            members:   anna, ben, cleo, eric
            notes:     n(title=one)
            at one from one:
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=one)
            at two from two:
            members:   anna, ben, cleo, dora, eric
            notes:     m(title=two), n(title=one)
            at two from all:
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=one)
            at out from all:
            members:   anna, ben, cleo, eric
            notes:     n(title=one)
        "#]],
    )
}

/// Merging without writing changes nothing.
pub fn an_entry_without_operations_merges() -> Scenario {
    members(
        "one @dora on genesis:  insert notes n title=one
         two @eric on genesis:  insert notes m title=two
         sum @mallory on one two:",
        expect![[r#"
            one        live
            two        live
            members:   anna, ben, cleo, dora, eric
            notes:     m(title=two), n(title=one)
        "#]],
    )
}
